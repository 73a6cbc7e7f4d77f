// SPDX-License-Identifier: Apache-2.0
// One flame graph on the page: d3-flame-graph with our colours, labels, search, zoom that outlives new
// data, and a focus that arrow keys move.
import flamegraph from 'd3-flame-graph';
import {select} from 'd3-selection';
import {colorOf, matchColor} from './color.js';

const ROW = 20;
const NARROWEST = 0.6; // px; what is narrower is not drawn

const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
const same = (a, b) => a.data.name === b.name && (a.data.module || '') === b.module;

export class Chart {
	// on: {hover(node or null, event), zoom(zoomed), pick(node)}
	constructor(box, on) {
		this.box = box;
		this.on = on;
		this.color = 'module';
		this.inverted = true;
		this.path = []; // names from the root to what is zoomed into
		this.term = null;
		box.addEventListener('keydown', (event) => this.key(event));
		box.addEventListener('blur', () => this.setFocus(null));
		box.addEventListener('mouseleave', () => this.on.hover(null));
	}

	make() {
		const tip = () => {};
		tip.show = (event, d) => this.on.hover(d, event);
		tip.hide = () => this.on.hover(null);
		this.graph = flamegraph()
			.width(this.width)
			.cellHeight(ROW)
			.minFrameSize(NARROWEST)
			.inverted(this.inverted)
			.transitionDuration(0)
			.tooltip(tip)
			.setColorMapper((d) => (d.highlight ? matchColor() : colorOf(d.data, this.color)))
			.onClick((d) => this.zoomed(d));
		this.graph.setSearchMatch((d) => this.term !== null && this.term.test(d.data.name));
		this.graph.setSearchHandler(() => {});
	}

	// tree: of tree.js. The zoom and the search stay as far as the new tree has such frames.
	show(tree, {inverted, color}) {
		const width = Math.max(this.box.clientWidth, 200);
		const focus = this.focus && this.pathOf(this.focus);
		this.inverted = inverted;
		this.color = color;
		this.width = width;
		this.box.replaceChildren();
		this.box.classList.toggle('upward', !inverted);
		this.focus = null;
		this.make();
		select(this.box).datum(tree).call(this.graph);
		this.box.querySelector('svg').setAttribute('role', 'presentation');
		this.searchAgain();
		const at = this.follow(this.path);
		if (at && at.parent)
			this.graph.zoomTo(at);
		else
			this.path = [];
		if (!still())
			this.graph.transitionDuration(180);
		if (focus && document.activeElement === this.box)
			this.setFocus(this.follow(focus));
	}

	get root() {
		return select(this.box).datum();
	}

	pathOf(d) {
		const path = [];
		for (let n = d; n.parent; n = n.parent)
			path.unshift({name: n.data.name, module: n.data.module || ''});
		return path;
	}

	follow(path) {
		let d = this.root;
		for (const step of path) {
			const next = d && d.children && d.children.find((child) => same(child, step));
			if (!next)
				return null;
			d = next;
		}
		return d;
	}

	zoomed(d) {
		this.path = this.pathOf(d);
		this.on.zoom(this.path.length > 0);
		if (this.focus)
			this.setFocus(d);
	}

	reset() {
		if (this.graph && this.path.length)
			this.graph.resetZoom();
	}

	// term: a RegExp, or null.
	search(term) {
		this.term = term;
		this.searchAgain();
	}

	searchAgain() {
		if (!this.graph)
			return;
		if (this.term)
			this.graph.search('x');
		else
			this.graph.clear();
	}

	// Arrow keys: along the tree, whichever way it grows.
	key(event) {
		const d = this.focus || this.follow(this.path);
		if (!d || event.ctrlKey || event.metaKey || event.altKey)
			return;
		const up = this.inverted ? 'ArrowUp' : 'ArrowDown';
		const down = this.inverted ? 'ArrowDown' : 'ArrowUp';
		const visible = (list) => (list || []).filter((c) => c.value > 0 && (c.x1 - c.x0) * this.width > NARROWEST);
		const siblings = d.parent ? visible(d.parent.children) : [d];
		const at = siblings.indexOf(d);
		let next = null;
		if (!this.focus && event.key.startsWith('Arrow'))
			next = d;
		else if (event.key === up)
			next = d.parent;
		else if (event.key === down)
			next = visible(d.children)[0];
		else if (event.key === 'ArrowLeft')
			next = siblings[at - 1];
		else if (event.key === 'ArrowRight')
			next = siblings[at + 1];
		else if (event.key === 'Enter' && this.focus)
			this.graph.zoomTo(d);
		else
			return;
		event.preventDefault();
		if (next)
			this.setFocus(next);
	}

	setFocus(d) {
		this.focus = d;
		this.box.querySelectorAll('g[data-focus]').forEach((g) => g.removeAttribute('data-focus'));
		if (!d)
			return;
		const g = [...this.box.querySelectorAll('g.frame')].find((one) => one.__data__ === d);
		if (g) {
			g.setAttribute('data-focus', '');
			g.scrollIntoView({block: 'nearest', inline: 'nearest'});
		}
		this.on.hover(d);
	}
}
