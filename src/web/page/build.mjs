// SPDX-License-Identifier: Apache-2.0
// Puts script and style into index.html: one file that asks nobody for anything. The policy in it names
// both by their hash, so nothing else can run, whatever a container is called.
import {createHash} from 'node:crypto';
import {readFileSync, writeFileSync} from 'node:fs';
import {build} from 'esbuild';

const common = {bundle: true, minify: true, write: false, charset: 'utf8', logLevel: 'warning'};
// keepNames: d3-flame-graph tells its nodes by the name of their class.
const script = await build({...common, entryPoints: ['main.js'], format: 'iife', target: 'es2020',
	keepNames: true, loader: {'.css': 'empty'}, legalComments: 'none'});
const style = await build({...common, entryPoints: ['style.css'], target: 'chrome100'});
const text = (result) => result.outputFiles[0].text.trim();
const js = text(script).replaceAll('</script', '<\\/script');
const css = text(style);
const hash = (s) => `'sha256-${createHash('sha256').update(s).digest('base64')}'`;
const policy = `default-src 'none'; script-src ${hash(js)}; style-src ${hash(css)}; ` +
	`img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'`;

const parts = {POLICY: policy, STYLE: css, SCRIPT: js,
	LICENCES: readFileSync('licences.txt', 'utf8').trim()};
const page = readFileSync('index.html', 'utf8').replace(/@([A-Z]+)@/g, (_, name) => parts[name]);
writeFileSync('../page.html', page);
console.log(`page.html: ${(page.length / 1024).toFixed(0)} kB`);
