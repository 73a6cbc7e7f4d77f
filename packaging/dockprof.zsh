#compdef dockprof
# SPDX-License-Identifier: Apache-2.0
# zsh completion for dockprof(1); installed as _dockprof

_dockprof_containers() {
	local -a names
	names=(${(f)"$(docker ps --format '{{.Names}}' 2>/dev/null)"})
	_describe 'container' names
}

_dockprof() {
	local -a commands
	local curcontext=$curcontext state line
	local config='--config.file=[configuration]:file:_files'
	local level='--log.level=[what is worth a line]:level:(debug info warn error)'
	local help='(- *)--help[show help]'

	commands=(
		'run:profile all containers until stopped, and push'
		'record:profile for some seconds and show or save the result'
		'top:show which containers and functions use the CPU right now'
		'targets:list the containers and what the rules make of them'
		'explain:why a container is (not) there, and what it is doing'
		'doctor:check everything that dockprof needs'
		'relabel:try the rules on label sets from standard input'
		'check:find every mistake in a configuration file'
		'symbolize:name addresses of a file'
		'push:send pprof files to the server'
		'unwind:how stacks are walked through a file'
		'buildid:the build id of files'
	)
	_arguments -C '(- *)--version[show the version]' $help '1:command:->command' '*::argument:->argument'
	case $state in
	command) _describe 'command' commands ;;
	argument)
		case $line[1] in
		run)
			_arguments $config $level '--log.format=[how a line looks]:format:(logfmt json)' \
				'--web.listen-address=[of page and metrics]:address:' $help
			;;
		record)
			_arguments {-d,--duration=}'[how long]:time:(10s 30s 1m 5m)' \
				{-F,--frequency=}'[ticks a second]:Hz:(19 49 97 199)' \
				'*'{-c,--container=}'[only this container]:container:_dockprof_containers' \
				{-f,--format=}'[of the result]:format:(text folded json pprof svg html speedscope)' \
				{-o,--output=}'[where to]:file:_files' $config $level $help
			;;
		top)
			_arguments {-d,--interval=}'[between two tables]:time:(1s 2s 5s)' \
				{-n,--count=}'[end after so many tables]:number:' $config $help
			;;
		targets) _arguments $config '--json[for machines]' $help ;;
		explain)
			_arguments '--json[for machines]' '--socket=[of the agent]:file:_files' $config $help \
				'1:container:_dockprof_containers'
			;;
		doctor) _arguments $config '--json[for machines]' '--quick[without the second of sampling]' $help ;;
		relabel) _arguments $config '--trace[show what each rule does]' $help ;;
		check) _arguments $config '--reference[print what each key means]' $help ;;
		push)
			_arguments '*'{-l,--label=}'[a label of the profiles]:NAME=VALUE:' \
				'--timeout=[how long one file may take]:time:(10s 30s 1m)' $config $help \
				'*:file:_files'
			;;
		symbolize)
			_arguments '--root=[of the container]:directory:_files -/' \
				'--demangle=[how names are shown]:mode:(none simplified templates full)' \
				'--json[for machines]' $help '*:file:_files'
			;;
		unwind | buildid) _arguments $help '*:file:_files' ;;
		esac
		;;
	esac
}

_dockprof "$@"
