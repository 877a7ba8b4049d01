// SPDX-License-Identifier: MIT
// The attribute index in plain JavaScript, written from the description of its behaviour and its file
// format: what the C implementation is compared with, in results and in bytes.
import fs from 'node:fs';
import path from 'node:path';

export class IndexError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const textOf = (value) => (value === undefined ? 'undefined' : JSON.stringify(value));
const valueOf = (text) => (text === 'undefined' ? undefined : JSON.parse(text));
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

// String(value), also of objects with a member toString, which String() would call.
function stringOf(value) {
  if (Array.isArray(value)) return value.map((item) => stringOf(item ?? '')).join(',');
  return isObject(value) ? '[object Object]' : String(value);
}

// The attribute and the value's text that an entry stands for, or null.
function split(entry) {
  for (let at = entry.indexOf(':'); at >= 0; at = entry.indexOf(':', at + 1)) {
    try {
      return [entry.slice(0, at), textOf(valueOf(entry.slice(at + 1)))];
    } catch {
      // the colon belongs to the name
    }
  }
  return null;
}

const tests = {
  equals: (text, value) => text === textOf(value),
  exists: () => true,
  contains: (text, value) => stringOf(valueOf(text)).includes(stringOf(value)),
  startsWith: (text, value) => stringOf(valueOf(text)).startsWith(stringOf(value)),
};

export class AttributeIndex {
  constructor(now = () => new Date()) {
    this.now = now;
    this.index = new Map(); // attribute -> text of the value -> ids
    this.entities = new Map(); // id -> entries
  }

  check(entity, attribute) {
    if (!entity) throw new IndexError('INVALID', 'the entity id is missing');
    if (attribute === '') throw new IndexError('INVALID', 'the attribute name is missing');
  }

  add(entity, attribute, value) {
    this.check(entity, attribute);
    const text = textOf(value);
    if (!this.index.has(attribute)) this.index.set(attribute, new Map());
    const values = this.index.get(attribute);
    if (!values.has(text)) values.set(text, new Set());
    values.get(text).add(entity);
    if (!this.entities.has(entity)) this.entities.set(entity, new Set());
    this.entities.get(entity).add(`${attribute}:${text}`);
  }

  // Takes an id out of a pair; empty sets vanish, then empty attributes.
  drop(entity, attribute, text) {
    const values = this.index.get(attribute);
    const ids = values?.get(text);
    if (!ids?.delete(entity) || ids.size > 0) return;
    values.delete(text);
    if (values.size === 0) this.index.delete(attribute);
  }

  unlist(entity, entry) {
    const entries = this.entities.get(entity);
    if (entries?.delete(entry) && entries.size === 0) this.entities.delete(entity);
  }

  remove(entity, attribute, ...value) {
    this.check(entity, attribute);
    if (value.length > 0) {
      this.drop(entity, attribute, textOf(value[0]));
      this.unlist(entity, `${attribute}:${textOf(value[0])}`);
      return;
    }
    for (const text of [...(this.index.get(attribute)?.keys() ?? [])]) this.drop(entity, attribute, text);
    for (const entry of [...(this.entities.get(entity) ?? [])])
      if (split(entry)?.[0] === attribute) this.unlist(entity, entry);
  }

  removeEntity(entity) {
    this.check(entity);
    for (const entry of this.entities.get(entity) ?? []) {
      const pair = split(entry);
      if (pair) this.drop(entity, ...pair);
    }
    this.entities.delete(entity);
  }

  addEntities(list) {
    if (!Array.isArray(list)) throw new IndexError('INVALID', 'the entities are no array');
    let count = 0;
    for (const entity of list) {
      if (!isObject(entity) || typeof entity.id !== 'string' || entity.id === '') continue;
      count++;
      for (const name of ['type', 'name'])
        if (Object.hasOwn(entity, name)) this.add(entity.id, name, entity[name]);
      if (Object.hasOwn(entity, 'metadata') && isObject(entity.metadata))
        for (const [name, value] of Object.entries(entity.metadata))
          if (name !== '') this.add(entity.id, name, value);
    }
    return count;
  }

  match(attribute, test, value) {
    const found = new Set();
    for (const [text, ids] of this.index.get(attribute) ?? [])
      if (tests[test](text, value)) for (const id of ids) found.add(id);
    return found;
  }

  find(attribute, ...value) {
    if (value.length > 0) return new Set(this.index.get(attribute)?.get(textOf(value[0])));
    return this.match(attribute, 'exists');
  }

  search(criteria, combinator = 'AND') {
    if (combinator !== 'AND' && combinator !== 'OR')
      throw new IndexError('INVALID', `there is no combinator '${combinator}'`);
    for (const { attribute, operator = 'equals' } of criteria) {
      if (!attribute) throw new IndexError('INVALID', 'the attribute is missing');
      if (!Object.hasOwn(tests, operator)) throw new IndexError('INVALID', `there is no operator '${operator}'`);
    }
    let found;
    for (const { attribute, operator = 'equals', value } of criteria) {
      const ids = operator === 'equals' ? this.find(attribute, value) : this.match(attribute, operator, value);
      if (!found) found = ids;
      else if (combinator === 'OR') for (const id of ids) found.add(id);
      else found = new Set([...found].filter((id) => ids.has(id)));
    }
    return found ?? new Set();
  }

  attributes() {
    return [...this.index.keys()];
  }

  values(attribute) {
    return [...(this.index.get(attribute)?.keys() ?? [])];
  }

  statistics() {
    let values = 0;
    let pairs = 0;
    for (const texts of this.index.values()) values += texts.size;
    for (const entries of this.entities.values()) pairs += entries.size;
    const entities = this.entities.size;
    return [entities, this.index.size, values, pairs, entities ? pairs / entities : 0];
  }

  serialise() {
    const index = Object.create(null);
    for (const [attribute, values] of this.index) {
      index[attribute] = Object.create(null);
      for (const [text, ids] of values) index[attribute][text] = [...ids];
    }
    const entityAttributes = Object.create(null);
    for (const [entity, entries] of this.entities) entityAttributes[entity] = [...entries];
    const time = this.now().toISOString();
    const metadata = { createdAt: time, lastModified: time, entityCount: this.entities.size };
    return JSON.stringify({ version: '1.0.0', index, entityAttributes, metadata }, null, 2);
  }

  parse(text) {
    let data;
    try {
      data = JSON.parse(text);
    } catch (error) {
      throw new IndexError('CORRUPT', `not JSON: ${error.message}`);
    }
    const wrong = () => new IndexError('NOT_A_STORE', 'Invalid data structure');
    const lists = (object) =>
      Object.entries(object).map(([name, list]) => {
        if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) throw wrong();
        return [name, new Set(list)];
      });
    if (!isObject(data)) throw wrong();
    if (data.version !== undefined && data.version !== '1.0.0') throw new IndexError('TOO_NEW', 'version');
    if (!isObject(data.index) || !isObject(data.entityAttributes ?? {})) throw wrong();
    const index = new Map();
    for (const [attribute, values] of Object.entries(data.index)) {
      if (!isObject(values)) throw wrong();
      const known = Object.create(null);
      for (const [name, ids] of Object.entries(values)) {
        try {
          known[textOf(JSON.parse(name))] = ids;
        } catch {
          // no JSON: skipped
        }
      }
      index.set(attribute, new Map(lists(known)));
    }
    const entities = new Map(lists(data.entityAttributes ?? {}));
    this.index = index;
    this.entities = entities;
  }

  save(file) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const temporary = `${file}.tmp.${process.pid}`;
    const descriptor = fs.openSync(temporary, 'w', 0o600);
    fs.writeFileSync(descriptor, this.serialise());
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
    fs.renameSync(temporary, file);
  }

  load(file) {
    if (!fs.existsSync(file)) throw new IndexError('NOT_FOUND', `there is no ${file}`);
    this.parse(fs.readFileSync(file, 'utf8'));
  }
}
