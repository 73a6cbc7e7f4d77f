// SPDX-License-Identifier: Apache-2.0
// Numbers and names for people, and the one way in which anything reaches the document: as text.

export const $ = (id) => document.getElementById(id);

// el('b', {class: 'x', title: name}, 'text', child): attributes and text only, never markup.
export function el(tag, attributes = {}, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes))
		if (value !== null && value !== undefined && value !== false)
			node.setAttribute(name, value === true ? '' : value);
	node.append(...children);
	return node;
}

// A name that came from a container: on its own, whichever way it is written.
export const bdi = (text) => el('bdi', {}, text);

export const clip = (text, max = 160) => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

export function time(ns) {
	if (ns >= 60e9)
		return `${Math.floor(ns / 60e9)} min ${Math.round((ns % 60e9) / 1e9)} s`;
	if (ns >= 1e9)
		return `${(ns / 1e9).toFixed(2)} s`;
	if (ns >= 1e6)
		return `${(ns / 1e6).toFixed(ns >= 1e7 ? 0 : 1)} ms`;
	return ns ? `${(ns / 1e3).toFixed(0)} µs` : '0';
}

export function percent(share) {
	const p = 100 * share;
	return `${p.toFixed(p !== 0 && Math.abs(p) < 10 ? 2 : 1)} %`;
}

export const signed = (share) => `${share > 0 ? '+' : share < 0 ? '−' : '±'}${percent(Math.abs(share))}`;

export const clock = (ms) => new Date(ms).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false});

export function span(ms) {
	const s = Math.round(ms / 1000);
	return s < 90 ? `${s} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}

export const cores = (value) => (value >= 0.995 ? value.toFixed(2) : value >= 0.0005 ? `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %` : '0');
