// SPDX-License-Identifier: MIT
// play.mjs DIRECTORY < SCRIPT: plays a script of operations, one JSON object a line, on the reference
// and prints a line for each, as tests/attribute_index/play.c does.
import fs from 'node:fs';
import { AttributeIndex } from './reference.mjs';

const directory = process.argv[2];
const time = () => new Date('2026-01-31T09:00:00.123Z');
const index = new AttributeIndex(time);
// A value is what JSON can hold: 1e400 is null.
const parse = (json) => JSON.parse(JSON.stringify(JSON.parse(json)));
const valueOf = (json) => (json === 'undefined' ? [undefined] : json === undefined ? [] : [parse(json)]);

const play = {
  add: (op) => index.add(op.entity, op.attribute, ...valueOf(op.json)),
  remove: (op) => index.remove(op.entity, op.attribute, ...valueOf(op.json)),
  removeEntity: (op) => index.removeEntity(op.entity),
  entities: (op) => index.addEntities(JSON.parse(op.json)),
  find: (op) => [...index.find(op.attribute, ...valueOf(op.json))],
  search: (op) =>
    [...index.search(op.criteria.map((c) => ({ ...c, value: valueOf(c.json)[0] })), op.combinator)],
  attributes: () => index.attributes(),
  values: (op) => index.values(op.attribute),
  statistics: () => index.statistics(),
  save: (op) => index.save(`${directory}/${op.name}`),
  load: (op) => index.load(`${directory}/${op.name}`),
  text: (op) => fs.writeFileSync(`${directory}/${op.name}`, op.text),
  convert: () => index.parse(index.serialise()),
};

const out = [];
for (const line of fs.readFileSync(0, 'utf8').split('\n')) {
  if (line === '') continue;
  const op = JSON.parse(line);
  try {
    out.push(JSON.stringify(play[op.op](op)) ?? 'done');
  } catch (error) {
    if (!error.code) throw error;
    out.push(error.code);
  }
}
fs.writeFileSync(1, out.join('\n') + '\n');
