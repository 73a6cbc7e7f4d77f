// SPDX-License-Identifier: Apache-2.0
// Where the page's data comes from: the agent, or (in a file of `dockprof record --format html`) the page.
import {el} from './text.js';
import {parse} from './tree.js';

const ask = (address, wait) => fetch(address, {cache: 'no-store', signal: AbortSignal.timeout(wait)});

// What is refused before the API has a say is told in plain text, and a proxy in between says what it likes.
async function refusal(response) {
	const text = await response.text().catch(() => '');
	const plain = (response.headers.get('content-type') || '').startsWith('text/plain');
	let reason = '';
	try {
		reason = JSON.parse(text).error;
	} catch {
		reason = plain ? text.trim().slice(0, 300) : '';
	}
	return Object.assign(new Error(reason || `HTTP ${response.status}`), {status: response.status});
}

async function get(path, parameters) {
	const response = await ask(`${path}?${new URLSearchParams(parameters)}`, 15000);
	if (!response.ok)
		throw await refusal(response);
	return response.json();
}

class Agent {
	live = true;

	async containers() {
		return (await get('api/v1/containers', {})).data;
	}

	// key: {id} or {service}; from, until: ms, 0 for no bound
	async profile(key, from, until) {
		return parse(await get('api/v1/flamegraph', {...key, from: Math.max(0, Math.round(from)), until: Math.max(0, Math.round(until))}));
	}

	download(key, from, until, format) {
		return `api/v1/profile?${new URLSearchParams({...key, from: Math.round(from), until: Math.round(until), format})}`;
	}

	// What download() names, as a file of the browser's, under the name that the agent gives it.
	async save(address) {
		// Longer than the agent gives the largest.
		const response = await ask(address, 180000);
		if (!response.ok)
			throw await refusal(response);
		const name = /filename="([^"]*)"/.exec(response.headers.get('content-disposition'));
		const href = URL.createObjectURL(await response.blob());
		el('a', {href, download: name ? name[1] : 'profile'}).click();
		setTimeout(() => URL.revokeObjectURL(href), 60000);
	}
}

class Recording {
	live = false;

	constructor(data) {
		this.data = data;
		this.profiles = data.services.map((s) => parse(s.profile));
	}

	async containers() {
		const containers = this.data.services.map((s, i) => ({
			id: String(i), service: s.service, name: s.name, state: 'profiled', trouble: false, samples: s.profile.ticks,
			reason: `${s.profile.ticks} samples`, advice: '', proof: '', spark: [],
			cores: this.profiles[i].total / Math.max(s.profile.durationNanos, 1),
		}));
		return {containers, notices: [], notReady: [], recorded: this.data.from, duration: this.data.durationNanos / 1e6, ...this.data.machine};
	}

	async profile(key) {
		const at = key.id !== undefined ? Number(key.id) : this.data.services.findIndex((s) => s.service === key.service);
		if (!this.profiles[at])
			throw new Error('not in this recording');
		return this.profiles[at];
	}
}

export function openSource() {
	const inlined = document.getElementById('dockprof-data');
	return inlined ? new Recording(JSON.parse(inlined.textContent)) : new Agent();
}
