// SPDX-License-Identifier: Apache-2.0
// Writes, reads and sorts documents, for ever: compiled and interpreted code, and the collector.
'use strict';

function tree(depth) {
	if (depth === 0)
		return {name: 'leaf', values: Array.from({length: 8}, (_, i) => i * 0.5)};
	return {name: `node ${depth}`, children: [0, 1, 2].map(() => tree(depth - 1))};
}

function count(node) {
	return 1 + (node.children || []).reduce((sum, child) => sum + count(child), 0);
}

function words(text) {
	return [...new Set(text.split(/[^a-z0-9.]+/))].sort((a, b) => a.localeCompare(b));
}

for (;;) {
	const text = JSON.stringify(tree(5));
	count(JSON.parse(text));
	words(text);
}
