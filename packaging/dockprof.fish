# SPDX-License-Identifier: Apache-2.0
# fish completion for dockprof(1)

set -l commands run record top targets explain doctor relabel check push unwind symbolize buildid

function __dockprof_containers
	docker ps --format '{{.Names}}' 2>/dev/null
end

complete -c dockprof -f
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a run -d 'profile all containers until stopped'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a record -d 'profile for some seconds'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a top -d 'who uses the CPU right now'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a targets -d 'what the rules make of the containers'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a explain -d 'why a container is (not) there'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a doctor -d 'check everything that dockprof needs'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a relabel -d 'try the rules on label sets'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a check -d 'find mistakes in a configuration file'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a push -d 'send pprof files to the server'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a unwind -d 'how stacks are walked through a file'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a symbolize -d 'name addresses of a file'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -a buildid -d 'the build id of files'
complete -c dockprof -n "not __fish_seen_subcommand_from $commands" -l version -d 'show the version'
complete -c dockprof -s h -l help -d 'show help'

set -l configured run record top targets explain doctor relabel check push
complete -c dockprof -n "__fish_seen_subcommand_from $configured" -l config.file -r -F -d 'configuration'
complete -c dockprof -n '__fish_seen_subcommand_from run record' -l log.level -x -a 'debug info warn error'
complete -c dockprof -n '__fish_seen_subcommand_from run' -l log.format -x -a 'logfmt json'
complete -c dockprof -n '__fish_seen_subcommand_from run' -l web.listen-address -x -d 'of page and metrics'
complete -c dockprof -n '__fish_seen_subcommand_from record' -s d -l duration -x -a '10s 30s 1m 5m' -d 'how long'
complete -c dockprof -n '__fish_seen_subcommand_from record' -s F -l frequency -x -a '19 49 97 199' -d 'ticks a second'
complete -c dockprof -n '__fish_seen_subcommand_from record' -s c -l container -x -a '(__dockprof_containers)'
complete -c dockprof -n '__fish_seen_subcommand_from record' -s f -l format -x -a 'text folded json pprof svg html speedscope'
complete -c dockprof -n '__fish_seen_subcommand_from record' -s o -l output -r -F -d 'where to'
complete -c dockprof -n '__fish_seen_subcommand_from top' -s d -l interval -x -a '1s 2s 5s' -d 'between two tables'
complete -c dockprof -n '__fish_seen_subcommand_from top' -s n -l count -x -d 'end after so many tables'
complete -c dockprof -n '__fish_seen_subcommand_from targets explain doctor symbolize' -l json -d 'for machines'
complete -c dockprof -n '__fish_seen_subcommand_from doctor' -l quick -d 'without the second of sampling'
complete -c dockprof -n '__fish_seen_subcommand_from explain' -l socket -r -F -d 'of the agent'
complete -c dockprof -n '__fish_seen_subcommand_from explain' -a '(__dockprof_containers)'
complete -c dockprof -n '__fish_seen_subcommand_from relabel' -l trace -d 'show what each rule does'
complete -c dockprof -n '__fish_seen_subcommand_from check' -l reference -d 'print what each key means'
complete -c dockprof -n '__fish_seen_subcommand_from push' -s l -l label -x -d 'NAME=VALUE'
complete -c dockprof -n '__fish_seen_subcommand_from push' -l timeout -x -a '10s 30s 1m'
complete -c dockprof -n '__fish_seen_subcommand_from symbolize' -l root -r -F -d 'of the container'
complete -c dockprof -n '__fish_seen_subcommand_from symbolize' -l demangle -x -a 'none simplified templates full'
complete -c dockprof -n '__fish_seen_subcommand_from push unwind symbolize buildid' -F
