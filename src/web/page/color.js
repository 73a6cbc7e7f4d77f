// SPDX-License-Identifier: Apache-2.0
// A frame's colour: stable for its module or name, so that it can be found again in another graph.

const dark = () => document.documentElement.dataset.theme === 'dark';

function hash(text) {
	let h = 2166136261;
	for (let i = 0; i < text.length; i++)
		h = Math.imul(h ^ text.charCodeAt(i), 16777619);
	h ^= h >>> 15;
	return (Math.imul(h, 0x85ebca6b) ^ h) >>> 0;
}

// Hues that are told apart side by side; blue is the kernel's.
const hues = [26, 12, 42, 340, 150, 82, 300, 60, 175, 268];

function shade(hue, saturation, salt) {
	const spread = salt % 7;
	return dark()
		? `hsl(${hue} ${Math.round(saturation * 0.62)}% ${33 + spread}%)`
		: `hsl(${hue} ${saturation}% ${72 + spread}%)`;
}

const nameless = (node) => /\+0x[0-9a-f]+$/.test(node.name);

function diff(node) {
	const most = Math.max(node.shareA, node.shareB);
	const change = most ? (node.shareB - node.shareA) / most : 0;
	const strength = Math.min(Math.abs(change) * 1.15, 1);
	if (Math.abs(change) < 0.02)
		return dark() ? '#3a3733' : '#dedbd6';
	const hue = change > 0 ? 8 : 216;
	return dark()
		? `hsl(${hue} ${Math.round(14 + 56 * strength)}% ${Math.round(27 + 15 * strength)}%)`
		: `hsl(${hue} ${Math.round(30 + 52 * strength)}% ${Math.round(86 - 24 * strength)}%)`;
}

// mode: module, kernel, function, diff
export function colorOf(node, mode) {
	if (mode === 'diff')
		return diff(node);
	const salt = hash(node.name);
	if (node.kernel)
		return shade(211, 58, salt);
	if (mode === 'kernel')
		return shade(27, 88, salt);
	if (!node.module)
		return dark() ? '#45403a' : '#dcd7cf';
	if (mode === 'function')
		return shade(hues[salt % hues.length], 72, salt >>> 8);
	if (nameless(node) || node.module.startsWith('['))
		return shade(35, 14, salt);
	return shade(hues[hash(node.module) % hues.length], 76, salt);
}

export const matchColor = () => (dark() ? '#a21caf' : '#f0abfc');
