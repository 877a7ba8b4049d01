// SPDX-License-Identifier: MIT
// A program that knows only files, as those that storefs exists for: a document (an index of
// attributes) and a whole store in one JSON file with autosave, each saved by mkdir -p, writing
// FILE.tmp.RANDOM and renaming it over FILE, and loaded by reading FILE and JSON.parse.
//
//   node files.js run DIRECTORY    several writers and readers at once; prints what is there at the end
//   node files.js show DIRECTORY   prints what is there: the same, if nothing was lost
//
// Each writer saves ROUNDS times (12, or what the environment says).
//
// What a writer saves says who wrote it and when, and each part of it follows from another one, so
// that every reader can tell whether it sees one save, whole, and not an older one than before.
'use strict';
const fs = require('fs');
const path = require('path');
const { fork } = require('child_process');

const WRITERS = 3;
const READERS = 2;
const ROUNDS = Number(process.env.ROUNDS || 12);

function save(file, content) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const temporary = `${file}.tmp.${process.pid}.${Math.random().toString(36).slice(2)}`;
    fs.writeFileSync(temporary, JSON.stringify(content, null, 2), 'utf-8');
    fs.renameSync(temporary, file);
}

function load(file) {
    const text = fs.readFileSync(file, 'utf-8');
    if (text === '')
        throw new Error(`${file} is empty`);
    return JSON.parse(text);
}

// --- an index of attributes in one document ---

class AttributeIndex {
    constructor() {
        this.index = new Map();
        this.entities = new Map();
    }

    add(entity, attribute, value) {
        const text = JSON.stringify(value);
        const values = this.index.get(attribute) || new Map();
        this.index.set(attribute, values);
        values.set(text, (values.get(text) || new Set()).add(entity));
        this.entities.set(entity,
            (this.entities.get(entity) || new Set()).add(`${attribute}:${text}`));
    }

    save(file) {
        const index = {}, entityAttributes = {};
        for (const [attribute, values] of this.index) {
            index[attribute] = {};
            for (const [text, entities] of values)
                index[attribute][text] = [...entities];
        }
        for (const [entity, pairs] of this.entities)
            entityAttributes[entity] = [...pairs];
        const now = new Date().toISOString();
        save(file, { version: '1.0.0', index, entityAttributes,
            metadata: { createdAt: now, lastModified: now, entityCount: this.entities.size } });
    }

    load(file) {
        const document = load(file);
        if (document.version !== '1.0.0' || typeof document.index !== 'object')
            throw new Error(`${file}: invalid data structure`);
        this.index.clear();
        this.entities.clear();
        for (const [entity, pairs] of Object.entries(document.entityAttributes)) {
            for (const pair of pairs) {
                const colon = pair.indexOf(':');
                this.add(entity, pair.slice(0, colon), JSON.parse(pair.slice(colon + 1)));
            }
        }
        const again = {};
        for (const [attribute, values] of this.index) {
            again[attribute] = {};
            for (const [text, entities] of values)
                again[attribute][text] = [...entities];
        }
        if (document.metadata.entityCount !== this.entities.size ||
            canonical(again) !== canonical(document.index))
            throw new Error(`${file}: the index does not fit its entities`);
    }
}

function canonical(value) {
    return JSON.stringify(value, (name, member) =>
        member && typeof member === 'object' && !Array.isArray(member)
            ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
            : Array.isArray(member) ? [...member].sort() : member);
}

// What writer `writer` saves in round `round`: more with each, so that every save has another size.
function index_of(writer, round) {
    const index = new AttributeIndex();
    index.add('who', 'writer', writer);
    index.add('who', 'round', round);
    for (let i = 0; i < 3 * round + writer; i++) {
        index.add(`e${i}`, 'type', i % 3 ? 'document' : 'image');
        index.add(`e${i}`, 'size', i * 1000);
        index.add(`e${i}`, 'flags', { a: [writer, 'ä€'] });
    }
    return index;
}

// --- a store in one file ---

class JSONStore {
    constructor(file) {
        this.file = file;
        this.cache = new Map();
        if (fs.existsSync(file))
            this.cache = new Map(Object.entries(load(file)));
    }

    set(key, value) {
        this.cache.set(key, value);
        save(this.file, Object.fromEntries(this.cache));
    }

    delete(key) {
        const had = this.cache.delete(key);
        if (had)
            save(this.file, Object.fromEntries(this.cache));
        return had;
    }
}

// --- the processes ---

const shared_index = directory => path.join(directory, 'shared', 'index.json');
const shared_store = directory => path.join(directory, 'shared', 'store.json');
const own_index = (directory, writer) => path.join(directory, 'own', `${writer}`, 'index.json');
const own_store = (directory, writer) => path.join(directory, 'own', `${writer}`, 'store.json');

function expect(condition, sentence) {
    if (!condition)
        throw new Error(sentence);
}

function write(directory, writer) {
    const own = new JSONStore(own_store(directory, writer));
    for (let round = 1; round <= ROUNDS; round++) {
        index_of(writer, round).save(shared_index(directory));
        index_of(writer, round).save(own_index(directory, writer));
        const back = new AttributeIndex();
        back.load(own_index(directory, writer));
        expect(back.entities.size === 3 * round + writer + 1, 'the own index is another one');
        own.set(`round/${round}`, { writer, text: 'x'.repeat(round * 50) });
        if (round > 4) // keeps four
            expect(own.delete(`round/${round - 4}`), 'a key of the own store is gone');
        expect(new JSONStore(own.file).cache.size === Math.min(round, 4), 'the own store differs');
        save(shared_store(directory), Object.fromEntries([['writer', writer], ['round', round],
            ...Array.from({ length: round }, (_, i) => [`key${i}`, `${writer}.${round}`])]));
    }
}

function check_index(directory, last) {
    const index = new AttributeIndex();
    index.load(shared_index(directory));
    const writer = Number([...index.index.get('writer').keys()][0]);
    const round = Number([...index.index.get('round').keys()][0]);
    expect(index.entities.size === 3 * round + writer + 1, 'the shared index is a mixture');
    expect(round >= (last[writer] || 0), `writer ${writer}: round ${round} after ${last[writer]}`);
    last[writer] = round;
    return `${writer}.${round}`;
}

function check_store(directory, last) {
    const { writer, round, ...keys } = load(shared_store(directory));
    expect(Object.keys(keys).length === round, 'the shared store has another number of keys');
    expect(Object.values(keys).every(value => value === `${writer}.${round}`), 'it is a mixture');
    expect(round >= (last[writer] || 0), `writer ${writer}: round ${round} after ${last[writer]}`);
    last[writer] = round;
    return `${writer}.${round}`;
}

function read(directory) {
    const indexes = {}, stores = {};
    let reads = 0, ended = false;
    process.once('message', () => { ended = true; });
    process.once('disconnect', () => { ended = true; });
    const turn = () => {
        check_index(directory, indexes);
        check_store(directory, stores);
        reads++;
        if (reads === 1)
            process.send('reading');
        if (!ended)
            return setImmediate(turn);
        expect(reads > 3, 'hardly anything was read');
        process.exit(0);
    };
    turn();
}

// Everything that must be there at the end, as text.
function show(directory) {
    const lines = [`index ${check_index(directory, {})}`, `store ${check_store(directory, {})}`];
    for (let writer = 0; writer < WRITERS; writer++) {
        const index = new AttributeIndex();
        index.load(own_index(directory, writer));
        expect(canonical([...index.entities.keys()]) ===
            canonical([...index_of(writer, ROUNDS).entities.keys()]), 'an own index is not the last');
        const store = new JSONStore(own_store(directory, writer));
        lines.push(`${writer}: ${[...store.cache].map(([key, value]) =>
            `${key}=${value.writer},${value.text.length}`).join(' ')}`);
        lines.push(fs.readFileSync(own_index(directory, writer), 'utf-8'));
    }
    for (const folder of ['shared', 'own/0', 'own/1', 'own/2'])
        lines.push(fs.readdirSync(path.join(directory, folder)).sort().join(' '));
    return lines.join('\n');
}

const begun = child => new Promise(resolve => child.once('message', resolve));
const ended = child => new Promise(resolve => child.once('exit', resolve));

async function run(directory) {
    index_of(0, 1).save(shared_index(directory));
    save(shared_store(directory), { writer: 0, round: 1, key0: '0.1' });
    const start = (...what) => fork(__filename, [what[0], directory, ...what.slice(1)]);
    const readers = Array.from({ length: READERS }, () => start('read'));
    const done = readers.map(ended);
    await Promise.race([Promise.all(readers.map(begun)), Promise.all(done)]);
    const writers = Array.from({ length: WRITERS }, (_, i) => ended(start('write', String(i))));
    const codes = await Promise.all(writers);
    readers.forEach(reader => reader.connected && reader.send('end'));
    codes.push(...await Promise.all(done));
    expect(codes.every(code => code === 0), `a process failed: ${codes}`);
    console.log(show(directory));
}

const [what, directory, writer] = process.argv.slice(2);
const actions = {
    run: () => run(directory).catch(error => { console.error(error); process.exitCode = 1; }),
    show: () => console.log(show(directory)),
    write: () => { write(directory, Number(writer)); process.disconnect(); },
    read: () => read(directory),
};
actions[what]();
