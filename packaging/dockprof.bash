# SPDX-License-Identifier: Apache-2.0
# bash completion for dockprof(1)

# Names of running containers; nothing where docker cannot be asked.
_dockprof_containers() {
	docker ps --format '{{.Names}}' 2>/dev/null
}

_dockprof_words() {
	local IFS=$' \t\n'

	# shellcheck disable=SC2207
	COMPREPLY=($(compgen -W "$1" -- "$2"))
}

# Completes the value of an option; fails where the option has none to offer.
_dockprof_value() {
	local option=$1 value=$2

	case $option in
	--config.file | --output | -o | --socket)
		# shellcheck disable=SC2207
		COMPREPLY=($(compgen -f -- "$value"))
		compopt -o filenames 2>/dev/null
		;;
	--log.level) _dockprof_words 'debug info warn error' "$value" ;;
	--demangle) _dockprof_words 'none simplified templates full' "$value" ;;
	--log.format) _dockprof_words 'logfmt json' "$value" ;;
	--format | -f) _dockprof_words 'text folded json pprof svg html speedscope' "$value" ;;
	--container | -c) _dockprof_words "$(_dockprof_containers)" "$value" ;;
	--duration | --interval | -d) _dockprof_words '10s 30s 1m 5m' "$value" ;;
	--frequency | -F) _dockprof_words '19 49 97 199' "$value" ;;
	*) return 1 ;;
	esac
	return 0
}

_dockprof() {
	local commands='run record top targets explain doctor relabel check push unwind symbolize buildid' command=run options word i
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		for word in $commands; do
			[ "${COMP_WORDS[i]}" = "$word" ] && command=$word
		done
	done
	# bash takes --option=value apart at the =.
	if [ "$current" = = ]; then
		_dockprof_value "$previous" '' && return
	elif [ "$previous" = = ]; then
		_dockprof_value "${COMP_WORDS[COMP_CWORD - 2]}" "$current" && return
	elif _dockprof_value "$previous" "$current"; then
		return
	fi
	case $command in
	run) options='--config.file= --log.level= --log.format= --web.listen-address= --help' ;;
	record) options='--duration= --frequency= --container= --format= --output= --config.file= --help' ;;
	explain)
		options='--json --config.file= --socket= --help'
		case $current in
		-*) ;;
		*) options=$(_dockprof_containers) ;;
		esac
		;;
	top) options='--interval= --count= --config.file= --help' ;;
	targets) options='--config.file= --json --help' ;;
	doctor) options='--config.file= --json --quick --help' ;;
	push)
		options='--label= --timeout= --config.file= --help'
		case $current in
		-*) ;;
		*) [ "$COMP_CWORD" -gt 1 ] && _dockprof_value --output "$current" && return ;;
		esac
		;;
	relabel) options='--config.file= --trace --help' ;;
	check) options='--config.file= --reference --help' ;;
	symbolize)
		options='--root= --demangle= --json --help'
		case $current in
		-*) ;;
		*) [ "$COMP_CWORD" -gt 1 ] && _dockprof_value --output "$current" && return ;;
		esac
		;;
	unwind | buildid)
		options=--help
		case $current in
		-*) ;;
		*) [ "$COMP_CWORD" -gt 1 ] && _dockprof_value --output "$current" && return ;;
		esac
		;;
	esac
	if [ "$COMP_CWORD" -eq 1 ]; then
		options="$commands $options --version"
	fi
	_dockprof_words "$options" "$current"
	case ${COMPREPLY[0]-} in
	*=) compopt -o nospace 2>/dev/null ;;
	esac
}

complete -F _dockprof dockprof
