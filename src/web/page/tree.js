// SPDX-License-Identifier: Apache-2.0
// A profile as the agent sends it (report_tree() in report.h), and the trees that views are made of.
// A node: {name, module, kernel, value, self, children}, value and self in nanoseconds of CPU.

export function parse(data) {
	const nodes = [];
	const list = data.nodes;
	const root = {frame: -1, parent: null, depth: 0, self: 0, value: 0, children: []};
	nodes.push(root);
	for (let i = 0; i < list.length; i += 3) {
		const parent = nodes[list[i]];
		const node = {frame: list[i + 1], parent, depth: parent.depth + 1, self: list[i + 2] * data.periodNanos, value: 0, children: []};
		parent.children.push(node);
		nodes.push(node);
	}
	for (let i = nodes.length - 1; i > 0; i--) {
		nodes[i].value += nodes[i].self;
		nodes[i].parent.value += nodes[i].value;
	}
	return {frames: data.frames, nodes, root, total: root.value, ticks: data.ticks,
		from: data.from, durationNanos: data.durationNanos};
}

const keyOf = (frame) => `${frame[0]}\u0000${frame[1]}`;

const blank = (name, module, kernel) => ({name, module, kernel, a: 0, b: 0, self: 0, children: [], index: null});

// Most have a few children only, and an index for each of a million would take longer than all the rest.
const UNINDEXED = 8;

function childOf(node, frame) {
	const list = node.children;
	const key = node.index || list.length >= UNINDEXED ? keyOf(frame) : '';
	if (key && !node.index)
		node.index = new Map(list.map((child) => [keyOf([child.name, child.module]), child]));
	let child = key ? node.index.get(key) : list.find((c) => c.name === frame[0] && c.module === frame[1]);
	if (!child) {
		list.push(child = blank(frame[0], frame[1], !!frame[2]));
		if (key)
			node.index.set(key, child);
	}
	return child;
}

// Adds all that is below `node` of a profile below `into`; a and b are the two sides.
function merge(into, node, frames, side) {
	into[side] += node.value;
	into.self += side === 'b' ? node.self : 0;
	for (const child of node.children)
		if (child.value > 0)
			merge(childOf(into, frames[child.frame]), child, frames, side);
}

// Adds `value` below `into` along the way from `node` to the root, for as many frames as `depth` at most.
function climb(into, node, frames, value, side, depth) {
	let to = into, n = node;
	to[side] += value;
	const step = (frame) => {
		to = childOf(to, frame);
		to[side] += value;
	};
	for (; n.parent && depth > 0; n = n.parent, depth--)
		step(frames[n.frame]);
	if (n.parent)
		step(['(more callers)', '', 0]);
	to.self += side === 'b' ? value : 0;
}

// A profile may hold a million calls with ticks: each with all of its callers would be more than a browser
// can hold. Then all are followed as far as this many frames go round.
const MOST_CALLERS = 3e6;

function depthFor(nodes) {
	const depths = Uint32Array.from(nodes, (node) => node.depth).sort();
	let left = MOST_CALLERS;
	for (let i = 0; i < depths.length; i++) {
		const each = Math.max(1, Math.floor(left / (depths.length - i)));
		if (depths[i] > each)
			return each;
		left -= depths[i];
	}
	return Infinity;
}

// Widths: of one profile its CPU time; of two the shares of both together, so that nothing disappears.
function finish(top, totalA, totalB) {
	const two = totalA > 0;
	const visit = (node) => {
		node.index = null;
		node.shareA = two ? node.a / totalA : 0;
		node.shareB = totalB ? node.b / totalB : 0;
		node.cpu = node.b;
		node.value = two ? (node.shareA + node.shareB) * 5e8 : node.b;
		node.children.forEach(visit);
		node.children.sort((x, y) => y.value - x.value);
	};
	visit(top);
	return top;
}

const sides = (profile, base) => [['a', base], ['b', profile]].filter(([, one]) => one);

// The tree of calls. reverse: from the leaves to their callers. base: the profile to compare with.
export function callTree(profile, base, reverse, name) {
	const top = blank(name, '', false);
	for (const [side, one] of sides(profile, base)) {
		if (!reverse) {
			merge(top, one.root, one.frames, side);
			continue;
		}
		const leaves = one.nodes.filter((node) => node.self > 0);
		const depth = depthFor(leaves);
		for (const node of leaves)
			climb(top, node, one.frames, node.self, side, depth);
	}
	return finish(top, base ? base.total : 0, profile.total);
}

// The calls of a function; a recursive one counts once, its outermost call.
function outermost(profile, wanted) {
	const found = [], todo = [profile.root];
	while (todo.length) {
		const node = todo.pop();
		const frame = node.parent && profile.frames[node.frame];
		if (frame && frame[0] === wanted.name && frame[1] === wanted.module)
			found.push(node);
		else
			for (const child of node.children)
				if (child.value > 0)
					todo.push(child);
	}
	return found;
}

// Who calls the function (callers: true; as a tree from it to the roots), and what it calls.
export function around(profile, base, wanted, callers) {
	const top = blank(wanted.name, wanted.module, wanted.kernel);
	for (const [side, one] of sides(profile, base)) {
		const calls = outermost(one, wanted);
		const depth = callers ? depthFor(calls) : 0;
		for (const node of calls)
			if (callers)
				climb(top, node.parent, one.frames, node.value, side, depth);
			else
				merge(top, node, one.frames, side);
	}
	return finish(top, base ? base.total : 0, profile.total);
}

// Every function with its own time and that of what it called.
export function functions(profile, base) {
	const all = new Map();
	const functionOf = (frame) => {
		const key = keyOf(frame);
		let f = all.get(key);
		if (!f)
			all.set(key, f = {name: frame[0], module: frame[1], kernel: !!frame[2], a: 0, b: 0, selfA: 0, selfB: 0});
		return f;
	};
	for (const [side, one] of sides(profile, base)) {
		const open = new Set(); // on the way from the root to here: a recursive one counts once
		const visit = (node) => {
			const f = functionOf(one.frames[node.frame]);
			const first = !open.has(f);
			if (first)
				f[side] += node.value;
			f[side === 'a' ? 'selfA' : 'selfB'] += node.self;
			open.add(f);
			for (const child of node.children)
				if (child.value > 0)
					visit(child);
			if (first)
				open.delete(f);
		};
		for (const child of one.root.children)
			if (child.value > 0)
				visit(child);
	}
	return [...all.values()];
}
