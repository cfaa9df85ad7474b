// SPDX-License-Identifier: MIT

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);

/** JSON Merge Patch (RFC 7396): null deletes, objects merge, the rest replaces. */
export function merge(target, patch) {
  if (!isObject(patch)) return patch;
  const out = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = merge(out[key], value);
  }
  return out;
}
