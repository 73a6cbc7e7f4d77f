// SPDX-License-Identifier: Apache-2.0
// CPU over time of what is selected, and the time ranges that are looked at, chosen by dragging.
import {clock} from './text.js';

const NS = 'http://www.w3.org/2000/svg';

function shape(tag, attributes, text) {
	const node = document.createElementNS(NS, tag);
	for (const [name, value] of Object.entries(attributes))
		node.setAttribute(name, value);
	if (text)
		node.textContent = text;
	return node;
}

// Points as an area and its line; values in a box of w times h with the base at y.
export function areaPaths(values, w, h, y, max) {
	const step = w / Math.max(values.length - 1, 1);
	const points = values.map((v, i) => `${(i * step).toFixed(1)},${(y - (Math.min(v, max) / max) * h).toFixed(1)}`);
	return {line: `M${points.join('L')}`, area: `M0,${y}L${points.join('L')}L${w},${y}Z`};
}

export function sparkline(svg, values, max) {
	const {line, area} = values.length ? areaPaths(values, 92, 17, 19, max) : {line: '', area: ''};
	if (!svg.firstChild)
		svg.append(shape('path', {class: 'area'}), shape('path', {class: 'line'}));
	svg.children[0].setAttribute('d', area);
	svg.children[1].setAttribute('d', line);
}

export class Timeline {
	// choose(side, from, until): ms; side: "a" the baseline, "b" what is shown
	constructor(svg, choose) {
		this.svg = svg;
		this.choose = choose;
		svg.addEventListener('pointerdown', (event) => this.begin(event));
		svg.addEventListener('pointermove', (event) => this.move(event));
		svg.addEventListener('pointerup', (event) => this.end(event));
		svg.addEventListener('pointercancel', () => { this.drag = null; this.draw(); });
	}

	show(data) {
		this.data = data;
		if (!this.drag)
			this.draw();
	}

	timeAt(event) {
		const box = this.svg.getBoundingClientRect();
		const x = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
		return this.data.begin + x * (this.data.end - this.data.begin);
	}

	begin(event) {
		if (!this.data || event.button)
			return;
		const box = this.svg.getBoundingClientRect();
		const low = event.clientY - box.top > box.height / 2;
		const side = this.data.comparing && (event.shiftKey || low) ? 'a' : 'b';
		this.drag = {side, from: this.timeAt(event), until: this.timeAt(event)};
		this.svg.setPointerCapture(event.pointerId);
	}

	move(event) {
		if (!this.drag)
			return;
		this.drag.until = this.timeAt(event);
		this.draw();
	}

	end() {
		const drag = this.drag;
		this.drag = null;
		if (!drag)
			return;
		const from = Math.min(drag.from, drag.until), until = Math.max(drag.from, drag.until);
		if (until - from > (this.data.end - this.data.begin) / 200)
			this.choose(drag.side, Math.round(from), Math.round(until));
		else
			this.draw();
	}

	band(side, from, until, width) {
		const {begin, end, comparing} = this.data;
		const x = (t) => Math.min(Math.max((t - begin) / (end - begin), 0), 1) * width;
		const [top, height] = !comparing ? [0, 46] : side === 'b' ? [0, 23] : [23, 23];
		const nodes = [shape('rect', {class: `band ${side}`, x: x(from), y: top, width: Math.max(x(until) - x(from), 1), height})];
		for (const t of [from, until])
			nodes.push(shape('line', {class: `edge ${side}`, x1: x(t), x2: x(t), y1: top, y2: top + height}));
		return nodes;
	}

	draw() {
		const {begin, end, values, shown, base, comparing} = this.data;
		const width = this.svg.clientWidth || 800;
		const top = Math.max(...values, 0.01);
		const {line, area} = areaPaths(values, width, 34, 46, top);
		const nodes = [shape('path', {class: 'area', d: area}), shape('path', {class: 'line', d: line})];
		const labels = width > 700 ? 6 : 3;
		for (let i = 0; i <= labels; i++) {
			const x = (i / labels) * width;
			const anchor = i === 0 ? 'start' : i === labels ? 'end' : 'middle';
			nodes.push(shape('line', {class: 'grid', x1: x, x2: x, y1: 46, y2: 49}));
			nodes.push(shape('text', {x: i === 0 ? 4 : i === labels ? width - 4 : x, y: 58, 'text-anchor': anchor}, clock(begin + (i / labels) * (end - begin))));
		}
		nodes.push(shape('text', {x: 4, y: 11}, `${top.toFixed(2)} cores`));
		const ranges = {b: shown, a: comparing ? base : null};
		if (this.drag)
			ranges[this.drag.side] = [Math.min(this.drag.from, this.drag.until), Math.max(this.drag.from, this.drag.until)];
		for (const side of ['a', 'b'])
			if (ranges[side])
				nodes.push(...this.band(side, ...ranges[side], width));
		this.svg.classList.toggle('compare', comparing);
		this.svg.setAttribute('viewBox', `0 0 ${width} 62`);
		this.svg.replaceChildren(...nodes);
	}
}
