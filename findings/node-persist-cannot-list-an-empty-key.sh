#!/bin/sh
# SPDX-License-Identifier: MIT
# After node-persist has stored a value under the empty key, its store cannot be listed or cleared
# any more.
#
# Expected: its README: a library in the manner of localStorage, where the empty string is a key;
#   setItem that succeeds stores an item.
# Seen: setItem('', value) succeeds. From then on, in other processes too, keys(), values(),
#   length() and clear() fail: "does not look like a valid storage file". getItem of the other keys
#   still works for those who know them; getItem('') does not. Only removeItem('') helps.
# Cause: a file counts as an item only if its key is true, and the empty string is false.
. "$(dirname "$0")/lib.sh"
npms node-persist@4.0.4
cat > "$tmp/npm/store.js" << 'END'
import persist from 'node-persist';
const storage = persist.create({ dir: 'store' });
const attempt = async (name, call) => {
    try {
        console.log(name, JSON.stringify(await call()));
    } catch (error) {
        const [words] = error.message.match(/does not look like a valid storage file/) ?? [];
        console.log(name, 'fails:', words);
    }
};
await storage.init();
if (process.argv[2] === 'write') {
    await storage.setItem('a', 1);
    await attempt('setItem', async () => (await storage.setItem('', 2)).content.value);
} else {
    await attempt('keys', () => storage.keys());
    await attempt('length', () => storage.length());
    await attempt('getItem a', () => storage.getItem('a'));
    await attempt("getItem ''", () => storage.getItem(''));
    await attempt('clear', () => storage.clear());
    await attempt("removeItem ''", async () => (await storage.removeItem('')).removed);
    await attempt('keys', () => storage.keys());
}
END

cd "$tmp/npm"
seen 'the process that writes' 'setItem 2' "$(node store.js write)"
seen 'the next one' "keys fails: does not look like a valid storage file
length fails: does not look like a valid storage file
getItem a 1
getItem '' fails: does not look like a valid storage file
clear fails: does not look like a valid storage file
removeItem '' true
keys [\"a\"]" "$(node store.js read)"
