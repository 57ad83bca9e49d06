/**
 * Decoder of Postgres's logical replication messages (pgoutput, protocol version 1).
 * https://www.postgresql.org/docs/17/protocol-logicalrep-message-formats.html
 */

const EPOCH_2000_MS = Date.UTC(2000, 0, 1);
const TEXT = "t".charCodeAt(0);
const NULL = "n".charCodeAt(0);
const NEW_TUPLE = "N";
const IS_KEY = 1;

/**
 * A function that takes one message and returns a change or null. A change is
 * {type, relation, committedAt, size, record, oldRecord}; records map a column to its text, null or, when
 * the value was stored out of line and did not change, nothing. Nothing is made of a change for which
 * `isHeard({type, relation})` is false.
 */
export function createDecoder(isHeard) {
  const relations = new Map();
  let transaction = null;

  const messages = {
    B: (reader) => void (transaction = begin(reader)),
    R: (reader) => remember(readRelation(reader)),
    I: (reader) => change("INSERT", reader),
    U: (reader) => change("UPDATE", reader),
    D: (reader) => change("DELETE", reader),
  };

  function remember(relation) {
    relations.set(relation.id, relation);
    return null;
  }

  function change(type, reader) {
    const relation = relations.get(reader.uint32());
    if (!isHeard({ type, relation })) return null;
    const records = { record: null, oldRecord: null };
    while (!reader.atEnd()) {
      const isNew = reader.char() === NEW_TUPLE;
      records[isNew ? "record" : "oldRecord"] = readTuple(reader, relation.columns);
    }
    return { type, relation, ...transaction, size: reader.size, ...records };
  }

  return (bytes) => {
    const reader = createReader(bytes);
    return messages[reader.char()]?.(reader) ?? null;
  };
}

function begin(reader) {
  reader.skip(8);
  const committedAt = new Date(EPOCH_2000_MS + Number(reader.int64() / 1000n));
  return { committedAt, transactionId: reader.uint32() };
}

function readRelation(reader) {
  const relation = { id: reader.uint32(), schema: reader.string(), table: reader.string() };
  reader.skip(1);
  const columns = Array.from({ length: reader.uint16() }, () => {
    const isKey = (reader.uint8() & IS_KEY) === IS_KEY;
    const name = reader.string();
    reader.skip(8);
    return { name, isKey };
  });
  return { ...relation, columns };
}

function readTuple(reader, columns) {
  const count = reader.uint16();
  const record = {};
  for (let place = 0; place < count; place++) {
    const kind = reader.uint8();
    if (kind === TEXT) record[columns[place].name] = reader.text(reader.uint32());
    else if (kind === NULL) record[columns[place].name] = null;
  }
  return record;
}

function createReader(bytes) {
  let at = 0;
  const after = (length) => (at += length) - length;
  return {
    size: bytes.length,
    atEnd: () => at >= bytes.length,
    skip: (length) => void after(length),
    uint8: () => bytes.readUInt8(after(1)),
    char: () => String.fromCharCode(bytes.readUInt8(after(1))),
    uint16: () => bytes.readUInt16BE(after(2)),
    uint32: () => bytes.readUInt32BE(after(4)),
    int64: () => bytes.readBigInt64BE(after(8)),
    text: (length) => bytes.toString("utf8", at, after(length) + length),
    string() {
      const end = bytes.indexOf(0, at);
      return bytes.toString("utf8", after(end + 1 - at), end);
    },
  };
}
