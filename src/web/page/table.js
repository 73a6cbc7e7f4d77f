// SPDX-License-Identifier: Apache-2.0
// The functions of a profile as a table, also for whoever cannot see a flame graph.
import {$, bdi, clip, el, percent, signed, time} from './text.js';

const MAX_ROWS = 500;

export class Table {
	constructor(pick) {
		this.pick = pick;
		this.by = 'self';
		this.down = true;
	}

	columns(two) {
		const name = {key: 'name', label: 'Function', kind: 'f', text: (f) => f.name};
		const module = {key: 'module', label: 'Module', kind: 'm', text: (f) => f.module};
		if (!two)
			return [name, module,
				{key: 'self', label: 'Self', kind: 'n', value: (f) => f.selfB / this.totalB, text: (f, v) => `${time(f.selfB)} · ${percent(v)}`},
				{key: 'total', label: 'Total', kind: 'n', value: (f) => f.b / this.totalB, text: (f, v) => `${time(f.b)} · ${percent(v)}`}];
		return [name, module,
			{key: 'before', label: 'Self A', kind: 'n', value: (f) => f.selfA / this.totalA, text: (f, v) => percent(v)},
			{key: 'self', label: 'Self B', kind: 'n', value: (f) => f.selfB / this.totalB, text: (f, v) => percent(v)},
			{key: 'change', label: 'Change', kind: 'n', change: true, value: (f) => f.selfB / this.totalB - f.selfA / this.totalA, text: (f, v) => signed(v)},
			{key: 'total', label: 'Total Δ', kind: 'n', change: true, value: (f) => f.b / this.totalB - f.a / this.totalA, text: (f, v) => signed(v)}];
	}

	show(list, totalA, totalB, term) {
		this.list = list;
		this.totalA = totalA || 1;
		this.totalB = totalB || 1;
		this.two = totalA > 0;
		this.term = term;
		this.draw();
	}

	draw() {
		const columns = this.columns(this.two);
		const by = columns.find((c) => c.key === this.by) || columns[this.two ? 4 : 2];
		const compare = by.value
			? (x, y) => (by.change && this.down ? Math.abs(by.value(y)) - Math.abs(by.value(x)) : by.value(y) - by.value(x))
			: (x, y) => by.text(y).localeCompare(by.text(x));
		const sorted = this.list.filter((f) => !this.term || this.term.test(f.name)).sort(compare);
		if (!this.down)
			sorted.reverse();
		const head = columns.map((c) => {
			const button = el('button', {type: 'button'}, c.label);
			button.addEventListener('click', () => this.sortBy(c));
			return el('th', {scope: 'col', class: c.kind, 'aria-sort': c === by ? (this.down ? 'descending' : 'ascending') : null}, button);
		});
		$('functions').tHead.replaceChildren(el('tr', {}, ...head));
		$('functions').tBodies[0].replaceChildren(...sorted.slice(0, MAX_ROWS).map((f) => this.row(f, columns)));
	}

	sortBy(column) {
		this.down = this.by === column.key ? !this.down : Boolean(column.value);
		this.by = column.key;
		this.draw();
		$('functions').tHead.querySelector('[aria-sort] button').focus();
	}

	row(f, columns) {
		const row = el('tr', {tabindex: 0, class: f.kernel ? 'kernel' : '', title: clip(f.name, 1000)});
		for (const c of columns) {
			const value = c.value ? c.value(f) : 0;
			const cell = el('td', {class: c.kind});
			if (c.value) {
				cell.textContent = c.text(f, value);
				cell.style.setProperty('--share', c.change ? 0 : (100 * value).toFixed(2));
				if (c.change && Math.abs(value) >= 0.0005)
					cell.classList.add(value > 0 ? 'up' : 'down');
			} else {
				cell.append(bdi(clip(c.text(f), 400)));
			}
			row.append(cell);
		}
		row.addEventListener('click', () => this.pick(f));
		row.addEventListener('keydown', (event) => {
			if (event.key === 'Enter')
				this.pick(f);
			else if (event.key === 'ArrowDown')
				row.nextElementSibling?.focus();
			else if (event.key === 'ArrowUp')
				row.previousElementSibling?.focus();
			else
				return;
			event.preventDefault();
		});
		return row;
	}
}
