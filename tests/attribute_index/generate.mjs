// SPDX-License-Identifier: MIT
// generate.mjs SEED COUNT: a script of random operations with odd names and odd values, for play.mjs and
// play.c.
import fs from 'node:fs';

let state = Number(process.argv[2]) >>> 0;
const count = Number(process.argv[3]);

// mulberry32
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const chance = (n) => below(n) === 0;

const long = 'long'.repeat(300);
const names = ['type', 'size', 'flags', 'a:b', 'a', ':', 'a:', '__proto__', 'constructor', 'toString', '10', '2', '01',
  '4294967294', '4294967295', 'ä€😀', '\ud83d', '\ude00x', 'quo"te\\', 'li\nne\u0001', 'sla/sh', '%2F', '.', '..', ' ', long,
  `${long}!`, '\u2028'];
const entities = ['e1', 'e2', 'e3', 'e4', 'e5', '7', '11', '3', '4294967295', '__proto__', 'id:1', 'a/b', '😀', '\udc00',
  long, 'x'.repeat(200), 'undefined', 'null'];
const strings = ['document', 'image', '', '1', 'null', 'undefined', 'doc', 'Doc', 'a:b', '{"a":1}', '😀', '\ud83d', '\ude00', 'é', 'e\u0301',
  '[object Object]', '1,2', '"', '\\', '\b\f\n\r\t\u007f', long];
const numbers = ['0', '-0', '1', '1.0', '10e-1', '1000', '1e3', '1e21', '1e-7', '0.1', '123456789012345678', '9007199254740993',
  '1e400', '-1e400', '1e-400', '5e-324', '2.5E+3', '0.30000000000000004', '100000000000000000000000', '1.7976931348623157e308',
  '0.000001', '12345.678e-10', '-1.5'];

// A string literal, now and then with escapes that it need not have.
function literal(text) {
  if (!chance(6)) return JSON.stringify(text);
  let out = '';
  for (let i = 0; i < text.length; i++) out += `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return `"${out}"`;
}

// The text of a JSON value, not as JSON.stringify would have it.
function json(depth = 0) {
  const space = chance(5) ? ' ' : '';
  const inner = (n, make) => Array.from({ length: below(n) }, make).join(`,${space}`);
  switch (below(depth > 3 ? 4 : 7)) {
    case 0: return pick(['true', 'false', 'null']);
    case 1: return pick(numbers);
    case 2: return String(Math.round(random() * 1e6) / pick([1, 10, 1000]));
    case 3: return literal(pick(strings));
    case 4: return literal(pick(names));
    case 5: return `[${space}${inner(4, () => json(depth + 1))}${space}]`;
    default: return `{${inner(6, () => `${literal(pick(names))}${space}:${json(depth + 1)}`)}${space}}`;
  }
}
const value = () => (chance(12) ? 'undefined' : chance(2) ? pick(common) : json());
const common = ['"document"', '"image"', '1', '1.0', '"1"', 'true', 'null', '[1,2]', '{"b":1,"a":2}', '{"a":2,"b":1}', '{"1":0,"0":1}', 'undefined'];

const criterion = () => {
  const made = { attribute: chance(40) ? '' : pick(names) };
  if (!chance(3)) made.operator = pick(['equals', 'exists', 'contains', 'contains', 'startsWith', 'startsWith']);
  if (chance(60)) made.operator = pick(['Equals', 'regex', '']);
  if (!chance(20)) made.json = chance(2) ? value() : literal(pick(['', 'd', 'doc', '1', ',', 'object', 'u', '\ud83d', '\ude00', '😀', 'n']));
  return made;
};
const entity = () => {
  const parts = [];
  if (!chance(10)) parts.push(`"id":${chance(20) ? json() : literal(pick(entities))}`);
  for (const name of ['type', 'name']) if (!chance(3)) parts.push(`"${name}":${json(2)}`);
  if (!chance(3)) parts.push(`"metadata":${chance(5) ? json() : `{${Array.from({ length: below(5) }, () => `${literal(pick(['', ...names]))}:${json(2)}`).join(',')}}`}`);
  return chance(15) ? json() : `{${parts.join(',')}}`;
};
// Documents that no implementation has written.
const documents = () => {
  const ids = () => `[${Array.from({ length: below(4) }, () => literal(pick(entities))).join(',')}${chance(40) ? ',5' : ''}]`.replace('[,', '[');
  const values = () => `{${Array.from({ length: below(4) }, () => `${literal(chance(4) ? pick(['nope', 'undefined', '1.0', ' 1', '']) : value())}:${ids()}`).join(',')}}`;
  const index = () => `{${Array.from({ length: below(5) }, () => `${literal(pick(names))} : ${chance(60) ? '[]' : values()}`).join(', ')}}`;
  const entries = () => `[${Array.from({ length: below(4) }, () => literal(chance(5) ? pick(['junk', 'size:1.0', 'a:b', ':', '']) : `${pick(names)}:${value()}`)).join(',')}]`;
  const all = () => `{${Array.from({ length: below(5) }, () => `${literal(pick(entities))}:${chance(60) ? '{}' : entries()}`).join(',')}}`;
  const parts = [];
  if (!chance(3)) parts.push(`"version":${chance(20) ? '"2.0.0"' : '"1.0.0"'}`);
  if (!chance(20)) parts.push(`"index":${chance(30) ? 'null' : index()}`);
  if (!chance(10)) parts.push(`"entityAttributes":${chance(30) ? '7' : all()}`);
  if (chance(4)) parts.push(`"index":${index()}`, '"metadata":[]');
  const text = `${chance(8) ? '\n ' : ''}{${parts.join(',')}}`;
  return chance(10) ? text.slice(0, below(text.length)) : text;
};

function operation() {
  const place = () => ({ entity: chance(60) ? '' : pick(entities), attribute: chance(60) ? '' : pick(names) });
  const at = below(100);
  if (at < 45) return { op: 'add', ...place(), json: value() };
  if (at < 56) return { op: 'remove', ...place(), json: value() };
  if (at < 60) return { op: 'remove', ...place() };
  if (at < 64) return { op: 'removeEntity', entity: pick(['', ...entities]) };
  if (at < 70) return { op: 'find', attribute: pick(['', 'none', ...names]), json: value() };
  if (at < 73) return { op: 'find', attribute: pick(names) };
  if (at < 83)
    return { op: 'search', criteria: Array.from({ length: below(4) }, criterion), combinator: chance(30) ? 'XOR' : pick(['AND', 'OR']) };
  if (at < 86) return { op: 'entities', json: chance(10) ? json() : `[${Array.from({ length: below(5) }, entity).join(',')}]` };
  if (at < 87) return { op: 'attributes' };
  if (at < 89) return { op: 'values', attribute: pick(names) };
  if (at < 91) return { op: 'statistics' };
  if (at < 94) return { op: 'save', name: pick(['one', 'two']) };
  if (at < 96) return { op: 'load', name: pick(['one', 'two', 'none']) };
  if (at < 98) return { op: 'text', name: pick(['one', 'two']), text: documents() };
  return { op: 'convert' };
}

const lines = Array.from({ length: count }, () => JSON.stringify(operation()));
lines.push('{"op":"statistics"}', '{"op":"save","name":"last"}');
fs.writeFileSync(1, lines.join('\n') + '\n');
