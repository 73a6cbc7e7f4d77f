// SPDX-License-Identifier: Apache-2.0
// The list of containers: rows are kept from one update to the next, only their texts change.
import {$, bdi, clip, cores, el} from './text.js';
import {sparkline} from './timeline.js';

const stateWords = {not_resolved: 'not resolved', not_sampled: 'no samples', no_key: 'no id', self: 'dockprof itself'};
const quiet = new Set(['dropped', 'self', 'foreign', 'exited', 'no_key']);
const order = ['not_sampled', 'not_resolved', 'unreachable', 'no_key', 'profiled', 'starting', 'idle', 'paused',
	'dropped', 'self', 'foreign', 'exited'];

export const wordOf = (state) => stateWords[state] || state;
export const titleOf = (c) => c.service || c.name || c.id.slice(0, 12);

const sorts = {
	cpu: (x, y) => y.cores - x.cores || quiet.has(x.state) - quiet.has(y.state) || (y.samples || 0) - (x.samples || 0),
	name: () => 0,
	state: (x, y) => (y.trouble ? 1 : 0) - (x.trouble ? 1 : 0) || order.indexOf(x.state) - order.indexOf(y.state),
};

export class Services {
	constructor(choose) {
		this.list = $('services');
		this.rows = new Map();
		this.all = [];
		this.shown = [];
		this.selected = null;
		this.choose = choose;
		this.list.addEventListener('click', (event) => {
			const row = event.target.closest('li');
			if (row)
				this.select(row.id.slice(4), true);
		});
		this.list.addEventListener('keydown', (event) => {
			const step = {ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity, PageDown: 10, PageUp: -10}[event.key];
			if (!step)
				return;
			event.preventDefault();
			this.move(step);
		});
		$('filter').addEventListener('input', () => this.draw());
		$('sort').addEventListener('change', () => this.draw());
	}

	// leftOut: how many of those that are gone the agent does not list.
	update(containers, leftOut) {
		const kept = this.current;
		this.all = containers;
		// Who looks at one that is gone goes on looking at it, also where newer ones have taken its place in the list.
		if (kept && kept.state === 'exited' && !containers.some((c) => c.id === kept.id))
			this.all = [...containers, {...kept, reason: 'gone, and no longer listed', cores: 0, spark: []}];
		$('left-out').hidden = !leftOut;
		$('left-out').textContent = `${leftOut} more that are gone, longer ago, are not listed`;
		this.draw();
	}

	get current() {
		return this.all.find((c) => c.id === this.selected) || null;
	}

	move(step) {
		const at = this.shown.findIndex((c) => c.id === this.selected);
		const next = this.shown[Math.min(Math.max(at + step, 0), this.shown.length - 1)];
		if (next)
			this.select(next.id, true);
	}

	select(id, byUser) {
		const changed = id !== this.selected;
		this.selected = id;
		this.mark();
		if (byUser)
			this.rows.get(id)?.scrollIntoView({block: 'nearest'});
		if (changed)
			this.choose(id, byUser);
	}

	mark() {
		for (const [id, row] of this.rows)
			row.setAttribute('aria-selected', id === this.selected);
		const row = this.rows.get(this.selected);
		if (row && row.isConnected)
			this.list.setAttribute('aria-activedescendant', row.id);
		else
			this.list.removeAttribute('aria-activedescendant');
	}

	rowOf(id) {
		let row = this.rows.get(id);
		if (row)
			return row;
		row = el('li', {role: 'option', id: `row-${id}`});
		const spark = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
		spark.setAttribute('class', 'spark');
		spark.setAttribute('viewBox', '0 0 92 20');
		spark.setAttribute('aria-hidden', 'true');
		row.parts = {name: el('div', {class: 'name'}), cores: el('div', {class: 'cores'}), sub: el('div', {class: 'sub'}), spark};
		row.append(row.parts.name, row.parts.cores, row.parts.sub, spark);
		this.rows.set(id, row);
		return row;
	}

	fill(row, c, max) {
		const {name, cores: share, sub, spark} = row.parts;
		const key = JSON.stringify([c.service, c.name, c.state, c.trouble, c.reason]);
		if (row.key !== key) {
			row.key = key;
			row.title = clip(`${titleOf(c)}\n${c.name}\n${c.reason}`, 500);
			row.className = quiet.has(c.state) ? 'quiet' : '';
			name.replaceChildren(bdi(clip(titleOf(c))));
			const about = c.name && c.name !== c.service && c.service ? [bdi(clip(c.name))] : [];
			sub.replaceChildren(el('i', {class: `dot ${c.trouble ? 'trouble' : c.state}`}),
				el('span', {class: 'state'}, wordOf(c.state)), el('span', {}, ...about));
		}
		const text = c.cores > 0 ? cores(c.cores) : '–';
		share.replaceChildren(text, c.cores >= 0.995 ? el('small', {}, ' cores') : '');
		sparkline(spark, c.spark || [], max);
	}

	draw() {
		const wanted = $('filter').value.trim().toLowerCase();
		const matches = (c) => !wanted || `${c.service} ${c.name} ${c.id} ${wordOf(c.state)}`.toLowerCase().includes(wanted);
		this.shown = this.all.filter(matches).sort((x, y) => sorts[$('sort').value](x, y) ||
			titleOf(x).localeCompare(titleOf(y)) || x.name.localeCompare(y.name));
		const rows = this.shown.map((c) => {
			const row = this.rowOf(c.id);
			// Each line has its own scale; what is next to nothing stays flat.
			this.fill(row, c, Math.max(...(c.spark || []), 0.02));
			return row;
		});
		const same = rows.length === this.list.children.length && rows.every((row, i) => row === this.list.children[i]);
		if (!same)
			this.list.replaceChildren(...rows);
		const known = new Set(this.all.map((c) => c.id));
		for (const id of this.rows.keys())
			if (!known.has(id))
				this.rows.delete(id);
		const profiled = this.all.filter((c) => c.state === 'profiled').length;
		$('count').textContent = wanted ? `${rows.length} of ${this.all.length}` : `${profiled} profiled, ${this.all.length - profiled} not`;
		this.mark();
	}
}
