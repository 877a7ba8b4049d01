// SPDX-License-Identifier: MIT
// bench_attributes.mjs [ENTITIES [ROUNDS]]: what bench_attributes does in memory and with a plain file, with
// the attribute index in JavaScript.
import fs from 'node:fs';
import os from 'node:os';
import { AttributeIndex } from '../attribute_index/reference.mjs';

const entities = Number(process.argv[2] ?? 10000);
const rounds = Number(process.argv[3] ?? 5);
const directory = fs.mkdtempSync(`${os.tmpdir()}/bench_attributes.`);
const tasks = new Map();

function time(name, run) {
  const begin = performance.now();
  run();
  if (!tasks.has(name)) tasks.set(name, []);
  tasks.get(name).push(performance.now() - begin);
}

for (let round = 0; round < rounds; round++) {
  const index = new AttributeIndex();
  time('add', () => {
    for (let i = 0; i < entities; i++) {
      const id = `entity-${i}`;
      index.add(id, 'type', `type-${i % 10}`);
      index.add(id, 'size', i % 1000);
      index.add(id, 'name', `name of ${i}`);
      index.add(id, 'flag', i % 2 === 1);
    }
  });
  time('find type', () => index.find('type', 'type-3'));
  time('find type AND flag', () => index.search([{ attribute: 'type', value: 'type-3' }, { attribute: 'flag', value: true }]));
  time('find name contains', () => index.search([{ attribute: 'name', value: '777', operator: 'contains' }]));
  time('save', () => index.save(`${directory}/index.json`));
  time('load', () => index.load(`${directory}/index.json`));
}
console.log('JavaScript, plain file');
for (const [name, times] of tasks)
  console.log(`  ${name.padEnd(26)} ${times.sort((a, b) => a - b)[times.length >> 1].toFixed(4).padStart(12)}`);
fs.rmSync(directory, { recursive: true });
