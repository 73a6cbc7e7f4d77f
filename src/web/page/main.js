// SPDX-License-Identifier: Apache-2.0
// The page: what is selected, which profile belongs to it, and which view shows it. State stands in the
// address (#...), so that a view can be sent to somebody else.
import {Chart} from './chart.js';
import {Services, titleOf, wordOf} from './services.js';
import {openSource} from './source.js';
import {Table} from './table.js';
import {$, bdi, clip, clock, el, percent, signed, span, time} from './text.js';
import {Timeline} from './timeline.js';
import {around, callTree, functions} from './tree.js';

const POLL_MS = 3000;
const RANGES = [[60e3, '1m'], [300e3, '5m'], [900e3, '15m'], [0, 'All']];
const FORMATS = [['pprof', 'pprof', 'go tool pprof, Pyroscope, Parca'], ['folded', 'Folded stacks', 'flamegraph.pl, inferno'],
	['svg', 'SVG picture', 'for documents'], ['speedscope', 'speedscope', 'speedscope.app']];
const LAYOUTS = ['icicle', 'flame', 'reverse'];

const source = openSource();
const state = {
	range: {last: 300e3}, // or {from, until}
	base: {on: false, id: '', range: 'before'}, // range: before, same, all, or {from, until}
	whole: false, // the whole service, not one container
	view: 'flame', layout: 'icicle', color: 'module', picked: null, term: null,
};
let agent = null; // the answer of containers()
let current = null; // {profile, base, range, baseRange}
let asked = 0;

// What is selected.

const services = new Services((id, byUser) => {
	if (byUser) {
		charts.flame.path = [];
		state.whole = false;
		state.picked = null;
	}
	changed();
});

function replicas(c) {
	return c && c.service ? services.all.filter((one) => one.service === c.service) : [];
}

function keyOf(c) {
	return state.whole && c.service ? {service: c.service} : {id: c.id};
}

const held = () => (agent && agent.oldest ? agent.oldest : 0);
const latest = () => (agent ? agent.lastRound || agent.now || 0 : 0);

function rangeOf(range) {
	if (range.last === undefined)
		return [range.from, range.until];
	return range.last ? [Math.max(latest() - range.last, held()), latest()] : [held(), latest()];
}

function baseRangeOf() {
	const [from, until] = rangeOf(state.range);
	const range = state.base.range;
	if (range === 'before')
		return [Math.max(from - (until - from), held()), from];
	if (range === 'same')
		return [from, until];
	return range === 'all' ? [held(), latest()] : [range.from, range.until];
}

// Intervals belong to the moment they begin in; the newest one began one interval before it was read.
const asAsked = ([from, until]) => [from - (agent.interval || 0) * 500, until];

async function load(quiet) {
	const c = services.current;
	const ask = ++asked;
	if (!c) {
		current = null;
		draw();
		return;
	}
	const range = rangeOf(state.range), baseRange = baseRangeOf();
	let profile = null, base = null, problem = null;
	try {
		profile = await source.profile(keyOf(c), ...asAsked(range));
		if (state.base.on)
			base = await source.profile(state.base.id ? {id: state.base.id} : keyOf(c), ...asAsked(baseRange));
	} catch (error) {
		problem = error;
	}
	if (ask !== asked)
		return;
	if (problem && quiet && problem.status === undefined)
		return; // the connection is lost, which the header says
	current = {profile, base, range, baseRange, problem};
	draw();
}

function changed() {
	save();
	drawHead();
	load(false);
}

// Views.

const onHover = (node, event) => hover(node, event);
const charts = {
	flame: new Chart($('chart'), {hover: onHover, zoom: (zoomed) => { $('reset').disabled = !zoomed; save(); }}),
	callers: new Chart($('callers'), {hover: onHover, zoom: () => {}}),
	callees: new Chart($('callees'), {hover: onHover, zoom: () => {}}),
};
const table = new Table((f) => pick(f));
const timeline = new Timeline($('timeline'), (side, from, until) => {
	if (side === 'a')
		state.base.range = {from, until};
	else
		state.range = {from, until};
	changed();
});

function pick(f) {
	state.picked = {name: f.name, module: f.module || ''};
	setView('sandwich');
}

function figures(d) {
	const node = d.data;
	if (current.base)
		return [['baseline', `${percent(node.shareA)} · ${time(node.a)}`], ['now', `${percent(node.shareB)} · ${time(node.b)}`],
			['change', signed(node.shareB - node.shareA)]];
	const list = [['total', `${time(node.cpu)} · ${percent(node.cpu / current.profile.total)}`]];
	const own = node.cpu - node.children.reduce((sum, child) => sum + child.cpu, 0);
	if (state.layout !== 'reverse' || state.view !== 'flame')
		list.push(['self', `${time(own)} · ${percent(own / current.profile.total)}`]);
	return list;
}

function hover(d, event) {
	const tip = $('tip');
	if (!d || !current || !current.profile) {
		tip.hidden = true;
		return;
	}
	const where = d.data.module ? `${d.data.module}${d.data.kernel ? ' · kernel' : ''}` : '';
	const list = figures(d);
	$('details').replaceChildren(el('b', {}, bdi(clip(d.data.name, 300))), where ? ` in ${where}` : '', ` — ${list.map((f) => `${f[0]} ${f[1]}`).join(', ')}`);
	if (!event)
		return;
	tip.replaceChildren(el('b', {}, bdi(clip(d.data.name, 600))), where ? el('span', {}, bdi(clip(where, 200))) : '',
		el('dl', {}, ...list.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])));
	tip.hidden = false;
	const {clientX: x, clientY: y} = event;
	const box = tip.getBoundingClientRect();
	tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
	tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 18}px`;
}

const colorMode = () => (current.base ? 'diff' : state.color);

function drawFlame() {
	const c = services.current;
	const tree = callTree(current.profile, current.base, state.layout === 'reverse', titleOf(c));
	charts.flame.show(tree, {inverted: state.layout !== 'flame', color: colorMode()});
	$('reset').disabled = !charts.flame.path.length;
}

function hottest() {
	const list = functions(current.profile, current.base).filter((f) => f.module);
	return list.sort((x, y) => y.selfB - x.selfB)[0];
}

function drawSandwich() {
	let f = state.picked;
	if (!f) {
		const top = hottest();
		f = top ? {name: top.name, module: top.module} : {name: '', module: ''};
	}
	const callers = around(current.profile, current.base, f, true);
	const callees = around(current.profile, current.base, f, false);
	const share = callers.shareB;
	$('sandwich-hint').replaceChildren(el('b', {}, bdi(clip(f.name, 300))), f.module ? ` in ${f.module}` : '',
		share ? ` — ${time(callers.b)}, ${percent(share)} of the CPU time` : ' does not appear in this profile',
		state.picked ? '' : ' (the hottest function; choose another one in the table)');
	for (const [chart, tree, inverted] of [[charts.callers, callers, false], [charts.callees, callees, true]]) {
		chart.box.hidden = !tree.value;
		if (tree.value)
			chart.show(tree, {inverted, color: colorMode()});
	}
}

function emptyText() {
	const c = services.current;
	if (!agent)
		return 'Asking the agent…';
	if (!services.all.length)
		return 'No containers yet. As soon as one runs, it appears here.';
	if (!c)
		return 'Choose a service on the left.';
	if (agent.history === false)
		return 'The agent keeps no past intervals (web.history_max_bytes is 0).';
	if (current && current.problem && !current.problem.status)
		return `The agent does not answer: ${current.problem.message}`;
	if (current && current.problem && current.problem.status !== 404)
		return current.problem.message;
	if (current && current.profile && current.profile.total)
		return 'The baseline has no samples in its time range.';
	// Of some intervals nothing could be kept: whether this was such a one nobody knows any more.
	if (agent.intervalsTooLarge && c.lastSample >= asAsked(rangeOf(state.range))[0])
		return `Nothing of ${clip(titleOf(c), 60)} is held for this time range. An interval that needs more than half of web.history_max_bytes is not kept (${agent.intervalsTooLarge} so far).`;
	if (c.state === 'exited')
		return `Nothing of ${clip(titleOf(c), 60)} is held for this time range.`;
	return c.samples ? `${titleOf(c)} used no CPU in this time range.` : `No samples: ${c.reason}`;
}

function draw() {
	const ok = current && current.profile && current.profile.total > 0 && !(state.base.on && !(current.base && current.base.total));
	$('empty').hidden = ok;
	for (const view of ['flame', 'table', 'sandwich'])
		$(`${view}-view`).hidden = !ok || state.view !== view;
	drawTimeline();
	if (!ok) {
		$('empty').textContent = clip(emptyText(), 400);
		$('details').textContent = '';
		return;
	}
	if (state.view === 'flame')
		drawFlame();
	else if (state.view === 'table')
		table.show(functions(current.profile, current.base), current.base ? current.base.total : 0, current.profile.total, state.term);
	else
		drawSandwich();
	drawMatches();
	if (!charts.flame.focus)
		summary();
}

function summary() {
	const {profile, range} = current;
	const seconds = Math.max(range[1] - range[0], 1);
	$('details').textContent = source.live
		? `${time(profile.total)} of CPU from ${clock(range[0])} to ${clock(range[1])} (${span(seconds)}), ${profile.ticks.toLocaleString()} samples`
		: `${time(profile.total)} of CPU, ${profile.ticks.toLocaleString()} samples`;
}

// The share of the time in frames that match, each stack counted once.
function matched(node, total) {
	if (state.term.test(node.name))
		return node.cpu / total;
	return node.children.reduce((sum, child) => sum + matched(child, total), 0);
}

function drawMatches() {
	const output = $('matches');
	if (!state.term || !current || !current.profile) {
		output.textContent = '';
		return;
	}
	const tree = callTree(current.profile, null, false, '');
	output.textContent = percent(tree.children.reduce((sum, child) => sum + matched(child, current.profile.total), 0));
}

function search(text) {
	$('search').value = text;
	let term = null, wrong = false;
	if (text) {
		try {
			term = new RegExp(text, 'i');
		} catch {
			wrong = true;
			term = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
		}
	}
	$('search').classList.toggle('wrong', wrong);
	state.term = term;
	for (const chart of Object.values(charts))
		chart.search(term);
	save();
	if (state.view === 'table' && current && current.profile)
		draw();
	drawMatches();
}

// Around them.

function drawTimeline() {
	const c = services.current;
	const some = c && source.live && agent.spark && (state.whole ? replicas(c) : [c]);
	$('timeline-box').hidden = !some;
	if (!some)
		return;
	const {begin: oldest, bucket, count} = agent.spark;
	// Of a young agent only the time that it has seen.
	const skip = Math.max(0, Math.min(count - 8, Math.floor((held() - oldest) / bucket)));
	const values = Array.from({length: count - skip}, (_, i) => some.reduce((sum, one) => sum + (one.spark[i + skip] || 0), 0));
	timeline.show({begin: oldest + skip * bucket, end: oldest + count * bucket, values, shown: rangeOf(state.range), base: baseRangeOf(), comparing: state.base.on});
}

function drawScope(c) {
	const others = replicas(c);
	$('scope').hidden = !c || !source.live || others.length < 2;
	if ($('scope').hidden)
		return;
	$('scope').replaceChildren(el('option', {value: ''}, `this container of ${others.length}`), el('option', {value: 'all'}, `all ${others.length} of the service`));
	$('scope').value = state.whole ? 'all' : '';
}

function drawDownload(c) {
	const menu = $('download');
	menu.hidden = !c || !source.live;
	if (menu.hidden)
		return;
	const range = asAsked(rangeOf(state.range));
	menu.querySelector('nav').replaceChildren(...FORMATS.map(([format, name, about]) =>
		el('a', {href: source.download(keyOf(c), ...range, format), download: true}, name, el('small', {}, about))));
}

// The links are addresses like any other; clicked at, they can say here why there is no such file.
async function download(event) {
	const link = event.target.closest('#download a');
	if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
		return;
	event.preventDefault();
	const problem = $('download-problem');
	problem.hidden = true;
	try {
		await source.save(link.href);
		$('download').open = false;
	} catch (error) {
		problem.textContent = clip(`No file: ${error.message}`, 300);
		problem.hidden = false;
	}
}

function drawCompare() {
	const on = state.base.on;
	$('compare').setAttribute('aria-pressed', on);
	$('compare-bar').hidden = !on;
	$('color').disabled = on;
	if (!on)
		return;
	const options = services.all.filter((c) => c.samples || (c.spark || []).some((v) => v > 0)).map((c) =>
		el('option', {value: c.id}, clip(c.name && c.name !== c.service ? `${titleOf(c)} (${c.name})` : titleOf(c), 60)));
	$('base-service').replaceChildren(el('option', {value: ''}, 'same service'), ...options);
	$('base-service').value = state.base.id;
	$('base-range').hidden = !source.live;
	const [from, until] = rangeOf(state.range);
	$('shown-range').textContent = source.live ? `${clock(from)} to ${clock(until)}` : titleOf(services.current || {id: ''});
	const own = typeof state.base.range === 'object';
	const ranges = [['before', 'the time just before'], ['same', 'the same time'], ['all', 'all that is held']];
	if (own)
		ranges.push(['own', `${clock(state.base.range.from)} to ${clock(state.base.range.until)}`]);
	$('base-range').replaceChildren(...ranges.map(([value, name]) => el('option', {value}, name)));
	$('base-range').value = own ? 'own' : state.base.range;
}

function drawHead() {
	const c = services.current;
	document.title = c ? `${clip(titleOf(c), 60)} · dockprof` : 'dockprof';
	$('title').replaceChildren(c ? bdi(clip(titleOf(c), 300)) : '\u00a0',
		c && c.name && c.name !== titleOf(c) && !state.whole ? el('small', {}, ' ', bdi(clip(c.name, 120))) : '');
	$('reason').replaceChildren();
	if (c) {
		const word = wordOf(c.state);
		// A name of a kilobyte would hide everything behind it.
		const reason = c.service ? c.reason.replaceAll(c.service, () => clip(c.service, 60)) : c.reason;
		const rest = reason.startsWith(word) ? reason.slice(word.length) : `: ${reason}`;
		const parts = [el(c.trouble ? 'b' : 'em', {}, word), clip(rest, 600)];
		if (c.proof && (c.trouble || c.state === 'profiled'))
			parts.push(` · ${clip(c.proof, 400)}`);
		if (c.advice)
			parts.push(el('br'), el('em', {}, clip(c.advice, 600)));
		$('reason').append(...parts);
	}
	$('ranges').hidden = !source.live;
	for (const button of $('ranges').children)
		button.setAttribute('aria-pressed', Number(button.dataset.last) === state.range.last);
	drawScope(c);
	drawDownload(c);
	drawCompare();
}

function drawMachine() {
	const parts = source.live
		? [agent.host, `Linux ${agent.kernel}`, `${agent.cpus} CPUs`, `${agent.hz} Hz, every ${agent.interval} s`, `dockprof ${agent.version}`]
		: [agent.host, agent.kernel ? `Linux ${agent.kernel}` : '', `recorded ${new Date(agent.recorded).toLocaleString()}`, span(agent.duration)];
	$('machine').textContent = parts.filter(Boolean).join(' · ');
	$('notices').replaceChildren(
		...agent.notReady.map((text) => el('p', {}, el('b', {}, 'Not ready: '), clip(text, 500))),
		...agent.notices.map((n) => el('p', {}, el('b', {}, clip(n.where, 120), ': '), clip(n.message, 500))));
}

function setView(view) {
	state.view = view;
	for (const button of $('views').children) {
		button.setAttribute('aria-selected', button.dataset.view === view);
		button.tabIndex = button.dataset.view === view ? 0 : -1;
	}
	$('layout').parentElement.hidden = view !== 'flame';
	$('reset').hidden = view !== 'flame';
	save();
	draw();
}

function setLayout(layout) {
	state.layout = layout;
	$('layout').value = layout;
	charts.flame.path = [];
	save();
	draw();
}

// Following.

let following = source.live;
let timer = null;

function say(text, lost) {
	$('live').classList.toggle('lost', Boolean(lost));
	$('live').setAttribute('aria-pressed', following);
	$('live').querySelector('span').textContent = text;
}

async function poll() {
	clearTimeout(timer);
	try {
		const before = latest();
		const first = !agent;
		agent = await source.containers();
		services.update(agent.containers, agent.containersLeftOut);
		drawMachine();
		if (!services.current && agent.containers.length)
			services.select((wishedOne() || services.shown[0] || agent.containers[0]).id, false);
		else if (first)
			changed();
		else if (latest() !== before && !$('tip').matches(':not([hidden])')) {
			drawHead();
			await load(true);
		}
		say(following ? `Live ${latest() ? clock(latest()) : ''}` : 'Paused');
	} catch (error) {
		say('Agent not reachable', true);
		if (!agent)
			draw();
	}
	if (following)
		timer = setTimeout(poll, document.hidden ? 5 * POLL_MS : POLL_MS);
}

function follow(on) {
	following = on;
	if (on)
		poll();
	else {
		clearTimeout(timer);
		say('Paused');
	}
}

// The address: all of what is shown, so that it outlives a reload and can be sent to others.

const ZOOM_MAX = 4000, NAME_MAX = 400; // characters: addresses have limits, C++ names have none
let wished = {id: null, service: null}; // what the address asks for, then what is shown

// That container, or, where another one has taken its place, one of the same service.
function wishedOne() {
	const all = services.all;
	const same = all.filter((c) => wished.service && c.service === wished.service);
	return all.find((c) => c.id === wished.id) || same.find((c) => c.state === 'profiled') || same[0];
}

function save() {
	const q = new URLSearchParams();
	const c = services.current;
	if (c)
		wished = {id: c.id, service: c.service};
	if (wished.id)
		q.set('id', wished.id);
	if (wished.service && wished.service.length <= NAME_MAX)
		q.set('service', wished.service);
	if (state.whole)
		q.set('whole', '1');
	q.set('view', state.view);
	q.set('layout', state.layout);
	if (state.color !== 'module')
		q.set('color', state.color);
	q.set('range', state.range.last === undefined ? `${state.range.from}-${state.range.until}` : String(state.range.last / 1e3));
	if (state.base.on)
		q.set('base', JSON.stringify([state.base.id, state.base.range]));
	if (state.picked)
		q.set('function', JSON.stringify([state.picked.name, state.picked.module]));
	const zoom = JSON.stringify(charts.flame.path.map((step) => [step.name, step.module]));
	if (charts.flame.path.length && zoom.length <= ZOOM_MAX)
		q.set('zoom', zoom);
	if ($('search').value)
		q.set('search', $('search').value);
	history.replaceState(null, '', `#${q}`);
}

// A function's name and module, or a list of such, as an address has them.
function frameOf(pair) {
	const [name, module] = pair;
	return {name: String(name), module: String(module)};
}

function restore() {
	const q = new URLSearchParams(location.hash.slice(1));
	const known = (name, list, fallback) => (list.includes(q.get(name)) ? q.get(name) : fallback);
	const json = (name, read, fallback) => {
		try {
			return q.has(name) ? read(JSON.parse(q.get(name))) : fallback;
		} catch {
			return fallback; // written by hand, and wrong
		}
	};
	wished = {id: q.get('id'), service: q.get('service')};
	state.whole = q.get('whole') === '1';
	state.view = known('view', ['flame', 'table', 'sandwich'], 'flame');
	state.layout = known('layout', LAYOUTS, 'icicle');
	state.color = known('color', ['module', 'kernel', 'function'], 'module');
	const range = /^(\d+)(?:-(\d+))?$/.exec(q.get('range') || '300');
	if (range)
		state.range = range[2] ? {from: Number(range[1]), until: Number(range[2])} : {last: Number(range[1]) * 1e3};
	state.base = json('base', ([id, time]) => ({on: true, id: String(id), range: baseRange(time)}), {on: false, id: '', range: 'before'});
	state.picked = json('function', frameOf, null);
	charts.flame.path = json('zoom', (list) => list.map(frameOf), []);
	$('layout').value = state.layout;
	$('color').value = state.color;
	search(q.get('search') || '');
}

function baseRange(time) {
	if (typeof time === 'object')
		return {from: Number(time.from), until: Number(time.until)};
	return ['before', 'same', 'all'].includes(time) ? time : 'before';
}

// Somebody has put another address of this page into the bar.
function readdressed() {
	restore();
	const c = wishedOne();
	setView(state.view);
	if (c && c.id !== services.selected)
		services.select(c.id, false);
	else
		changed();
}

function theme(wanted) {
	let kept = null;
	try {
		if (wanted)
			localStorage.setItem('dockprof-theme', wanted);
		kept = localStorage.getItem('dockprof-theme');
	} catch { /* no storage: the machine's setting it is */ }
	const dark = kept ? kept === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
	document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}

// Hands.

function escape() {
	if (charts.flame.path.length && state.view === 'flame') {
		charts.flame.reset();
	} else if ($('search').value) {
		search('');
	}
}

const keys = {
	'/': () => $('search').focus(),
	f: () => $('filter').focus(),
	j: () => services.move(1),
	k: () => services.move(-1),
	1: () => setView('flame'),
	2: () => setView('table'),
	3: () => setView('sandwich'),
	i: () => setLayout(LAYOUTS[(LAYOUTS.indexOf(state.layout) + 1) % LAYOUTS.length]),
	d: () => $('compare').click(),
	p: () => source.live && follow(!following),
	s: () => charts.flame.focus && pick(charts.flame.focus.data),
	c: () => charts.flame.focus && navigator.clipboard?.writeText(charts.flame.focus.data.name),
	'?': () => $('help').showModal(),
	Escape: escape,
};

function wire() {
	for (const [last, name] of RANGES) {
		const button = el('button', {type: 'button', 'data-last': last}, name);
		button.addEventListener('click', () => { state.range = {last}; changed(); });
		$('ranges').append(button);
	}
	for (const button of $('views').children)
		button.addEventListener('click', () => setView(button.dataset.view));
	$('views').addEventListener('keydown', (event) => {
		const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
		const next = step && event.target[step > 0 ? 'nextElementSibling' : 'previousElementSibling'];
		if (next) {
			setView(next.dataset.view);
			next.focus();
		}
	});
	$('layout').addEventListener('change', () => setLayout($('layout').value));
	$('color').addEventListener('change', () => { state.color = $('color').value; save(); draw(); });
	$('scope').addEventListener('change', () => { state.whole = $('scope').value === 'all'; changed(); });
	$('reset').addEventListener('click', () => charts.flame.reset());
	$('search').addEventListener('input', () => search($('search').value));
	$('compare').addEventListener('click', () => {
		state.base.on = !state.base.on;
		// Nothing is held from before: compare the second half with the first one.
		if (state.base.on && state.base.range === 'before' && rangeOf(state.range)[0] - held() < 2e3 * (agent?.interval || 15))
			state.range = {last: Math.max(Math.round((latest() - held()) / 2e3) * 1e3, 1e3)};
		if (!source.live && !state.base.id)
			state.base.id = services.all.find((c) => c.id !== services.selected)?.id || '';
		changed();
	});
	$('base-service').addEventListener('change', () => {
		state.base.id = $('base-service').value;
		if (state.base.id && state.base.range === 'before')
			state.base.range = 'same';
		changed();
	});
	$('base-range').addEventListener('change', () => {
		if ($('base-range').value !== 'own')
			state.base.range = $('base-range').value;
		changed();
	});
	$('live').hidden = !source.live;
	$('live').addEventListener('click', () => follow(!following));
	$('theme').addEventListener('click', () => {
		theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
		draw();
	});
	$('help-open').addEventListener('click', () => $('help').showModal());
	document.addEventListener('click', (event) => {
		if (!event.target.closest('#download'))
			$('download').open = false;
	});
	$('download').addEventListener('click', download);
	$('download').addEventListener('toggle', () => { $('download-problem').hidden = true; });
	document.addEventListener('keydown', (event) => {
		const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
		if (event.ctrlKey || event.metaKey || event.altKey || $('help').open)
			return;
		if (typing && event.key !== 'Escape')
			return;
		const action = keys[event.key];
		if (!action)
			return;
		event.preventDefault();
		if (typing)
			event.target.blur();
		action();
	});
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { theme(); draw(); });
	let resizing = null;
	new ResizeObserver(() => {
		cancelAnimationFrame(resizing);
		resizing = requestAnimationFrame(() => charts.flame.width !== $('chart').clientWidth && draw());
	}).observe($('main'));
	addEventListener('hashchange', readdressed);
	document.addEventListener('visibilitychange', () => !document.hidden && following && poll());
}

theme();
restore();
wire();
setView(state.view);
poll();
