import { type Document, isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml';

/** Small changes of policy files and issue forms that leave comments and order alone. Null: not readable, or nothing to change. */

/** A number of a policy file, such as `limits.minutes`; null when it has none there. */
export function policyNumber(text: string, path: readonly string[]): number | null {
  const value = readable(text)?.getIn(path);
  return typeof value === 'number' ? value : null;
}

export function withPolicyNumber(text: string, path: readonly string[], value: number): string | null {
  const document = readable(text);
  if (document === null || document.getIn(path) === value) return null;
  document.setIn(path, value);
  return written(document);
}

/** Adds an entry to a list such as `setup.hosts`, which is made where it is missing. */
export function withPolicyEntry(text: string, path: readonly string[], entry: string): string | null {
  const document = readable(text);
  if (document === null) return null;
  const list = document.getIn(path);
  if (list === undefined || list === null) document.setIn(path, document.createNode([entry]));
  else if (!isSeq(list) || list.items.some((item) => isScalar(item) && item.value === entry)) return null;
  else list.add(document.createNode(entry));
  return written(document);
}

/** Whether a policy file has a set-up. */
export function hasSetup(text: string): boolean {
  return isMap(readable(text)?.get('setup'));
}

/** Makes fields of an issue form, named by their labels, required. */
export function withRequiredFields(text: string, labels: readonly string[]): string | null {
  return editFields(text, labels, (field) => {
    if (field.getIn(['validations', 'required']) === true) return false;
    field.setIn(['validations', 'required'], true);
    return true;
  });
}

/** Adds a sentence to the description of one field of an issue form. */
export function withFieldHint(text: string, label: string, hint: string): string | null {
  return editFields(text, [label], (field) => {
    const told = field.getIn(['attributes', 'description']);
    const description = typeof told === 'string' ? told : '';
    if (description.includes(hint)) return false;
    field.setIn(['attributes', 'description'], `${description} ${hint}`.trim());
    return true;
  });
}

function editFields(text: string, labels: readonly string[], edit: (field: YAMLMap) => boolean): string | null {
  const document = readable(text);
  const body = document?.get('body');
  if (!document || !isSeq(body)) return null;
  const fields = body.items.filter(
    (item): item is YAMLMap => isMap(item) && labels.includes(String(item.getIn(['attributes', 'label']))),
  );
  const changed = fields.map((field) => edit(field));
  return changed.includes(true) ? written(document) : null;
}

function readable(text: string): Document | null {
  const document = parseDocument(text);
  if (document.errors.length > 0) return null;
  if (document.contents === null) return parseDocument('{}');
  return isMap(document.contents) ? document : null;
}

const written = (document: Document) => document.toString({ lineWidth: 0 });
