// SPDX-License-Identifier: Apache-2.0
// A profile as the agent sends it (report_tree() in report.h), and the trees that views are made of.
// A node: {name, module, kernel, value, self, children}, value and self in nanoseconds of CPU.

export function parse(data) {
	const nodes = [];
	const list = data.nodes;
	const root = {frame: -1, parent: null, self: 0, value: 0, children: []};
	nodes.push(root);
	for (let i = 0; i < list.length; i += 3) {
		const parent = nodes[list[i]];
		const node = {frame: list[i + 1], parent, self: list[i + 2] * data.periodNanos, value: 0, children: []};
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

// Several profiles as one, each below a frame of its own name.
export function join(list) {
	const root = {frame: -1, parent: null, self: 0, value: 0, children: []};
	const all = {frames: [], nodes: [root], root, total: 0, ticks: 0, durationNanos: 0};
	for (const {name, profile} of list) {
		const first = all.frames.length;
		all.frames.push([name, '', 0], ...profile.frames);
		const shift = (node, parent) => {
			const copy = {...node, frame: node.frame + 1 + first, parent, children: []};
			copy.children = node.children.map((child) => shift(child, copy));
			all.nodes.push(copy);
			return copy;
		};
		const top = shift({...profile.root, frame: -1}, all.root);
		all.root.children.push(top);
		all.total += profile.total;
		all.ticks += profile.ticks;
		all.durationNanos = Math.max(all.durationNanos, profile.durationNanos);
	}
	all.root.value = all.total;
	return all;
}

const keyOf = (frame) => `${frame[0]}\u0000${frame[1]}`;

// Adds the path of frames (first: the outermost) with `value` below `top`; a and b are the two sides.
function add(top, path, self, side) {
	let node = top;
	node[side] += self;
	for (const frame of path) {
		node.index ??= new Map();
		const key = keyOf(frame);
		let child = node.index.get(key);
		if (!child) {
			child = {name: frame[0], module: frame[1], kernel: !!frame[2], a: 0, b: 0, self: 0, children: []};
			node.index.set(key, child);
			node.children.push(child);
		}
		child[side] += self;
		node = child;
	}
	node.self += side === 'b' ? self : 0;
}

const pathOf = (profile, node) => {
	const path = [];
	for (let n = node; n.parent; n = n.parent)
		path.push(profile.frames[n.frame]);
	return path; // leaf first
};

function* stacks(profile) {
	for (const node of profile.nodes)
		if (node.self > 0 && node.parent)
			yield [pathOf(profile, node), node.self];
}

// Widths: of one profile its CPU time; of two the shares of both together, so that nothing disappears.
function finish(top, totalA, totalB) {
	const two = totalA > 0;
	const visit = (node) => {
		delete node.index;
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

const blank = (name) => ({name, module: '', kernel: false, a: 0, b: 0, self: 0, children: []});

// The tree of calls. reverse: from the leaves to their callers. base: the profile to compare with.
export function callTree(profile, base, reverse, name) {
	const top = blank(name);
	for (const [side, one] of [['a', base], ['b', profile]]) {
		if (!one)
			continue;
		for (const [path, self] of stacks(one))
			add(top, reverse ? path : path.reverse(), self, side);
	}
	return finish(top, base ? base.total : 0, profile.total);
}

// Who calls the function (callers: true; as a tree from it to the roots), and what it calls.
export function around(profile, base, wanted, callers) {
	const top = blank(wanted.name);
	top.module = wanted.module;
	top.kernel = wanted.kernel;
	const is = (frame) => frame[0] === wanted.name && frame[1] === wanted.module;
	for (const [side, one] of [['a', base], ['b', profile]]) {
		if (!one)
			continue;
		for (const [path, self] of stacks(one)) {
			// A recursive function counts once: its outermost call, seen from within.
			const at = path.findLastIndex(is);
			if (at < 0)
				continue;
			add(top, callers ? path.slice(at + 1) : path.slice(0, at).reverse(), self, side);
		}
	}
	return finish(top, base ? base.total : 0, profile.total);
}

// Every function with its own time and that of what it called.
export function functions(profile, base) {
	const all = new Map();
	for (const [side, one] of [['a', base], ['b', profile]]) {
		if (!one)
			continue;
		for (const [path, self] of stacks(one)) {
			const seen = new Set();
			path.forEach((frame, depth) => {
				const key = keyOf(frame);
				let f = all.get(key);
				if (!f) {
					f = {name: frame[0], module: frame[1], kernel: !!frame[2], a: 0, b: 0, selfA: 0, selfB: 0};
					all.set(key, f);
				}
				if (!seen.has(key))
					f[side] += self;
				seen.add(key);
				if (depth === 0)
					f[side === 'a' ? 'selfA' : 'selfB'] += self;
			});
		}
	}
	return [...all.values()];
}
