# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coracle_global_optspecs
    string join \n config= c/connection= context= D/debug H/host= identity= noout out= r/remote ssh= tls-ca= tls-cert= tls-key= url= v/version cgroup-manager= conmon= db-backend= default-mounts-file= events-backend= log-level= registries-conf= root= runroot= runtime= runtime-flag= storage-driver= storage-opt= syslog tmpdir= volumepath=
end

function __fish_coracle_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coracle_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coracle_using_subcommand
    set -l cmd (__fish_coracle_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coracle -n "__fish_coracle_needs_command" -l config -d 'Directory with the docker configuration file' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -s c -l connection -d 'Connection to use for a remote service' -r
complete -c coracle -n "__fish_coracle_needs_command" -l context -d 'Docker context; only "default" exists' -r
complete -c coracle -n "__fish_coracle_needs_command" -s H -l host -d 'Docker compatibility: socket to connect to' -r
complete -c coracle -n "__fish_coracle_needs_command" -l identity -d 'Accepted: matters for remote connections only' -r
complete -c coracle -n "__fish_coracle_needs_command" -l out -d 'Send output (stdout) to a file' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l ssh -d 'Accepted: matters for remote connections only' -r
complete -c coracle -n "__fish_coracle_needs_command" -l tls-ca -d 'Accepted: matters for remote connections only' -r
complete -c coracle -n "__fish_coracle_needs_command" -l tls-cert -d 'Accepted: matters for remote connections only' -r
complete -c coracle -n "__fish_coracle_needs_command" -l tls-key -d 'Accepted: matters for remote connections only' -r
complete -c coracle -n "__fish_coracle_needs_command" -l url -d 'URL to access a remote service' -r
complete -c coracle -n "__fish_coracle_needs_command" -l cgroup-manager -d 'Cgroup manager to use ("cgroupfs"|"systemd")' -r
complete -c coracle -n "__fish_coracle_needs_command" -l conmon -d 'Accepted: coracle has a monitor of its own' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l db-backend -d 'Accepted: records are files' -r
complete -c coracle -n "__fish_coracle_needs_command" -l default-mounts-file -d 'Path to a file that lists mounts of every container, in place of mounts.conf' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l events-backend -d 'Events backend to use ("file"|"none")' -r
complete -c coracle -n "__fish_coracle_needs_command" -l log-level -d 'Log messages above specified level (trace, debug, info, warn, warning, error, fatal, panic)' -r
complete -c coracle -n "__fish_coracle_needs_command" -l registries-conf -d 'Path to a registries.conf to use for image processing' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l root -d 'Path to the root directory in which data, including images, is stored' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l runroot -d 'Path to the directory where all state of running containers is stored' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l runtime -d 'OCI runtime used to run containers: coracle, or the path of a copy of it' -r
complete -c coracle -n "__fish_coracle_needs_command" -l runtime-flag -d 'Flag for the OCI runtime, without the dashes; coracle takes none' -r
complete -c coracle -n "__fish_coracle_needs_command" -l storage-driver -d 'Select which storage driver is used to manage storage of images and containers' -r
complete -c coracle -n "__fish_coracle_needs_command" -l storage-opt -d 'Pass an option to the storage driver, such as engine=fuse' -r
complete -c coracle -n "__fish_coracle_needs_command" -l tmpdir -d 'Path to the directory for temporary state' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -l volumepath -d 'Path to the directory in which volumes are stored' -r -F
complete -c coracle -n "__fish_coracle_needs_command" -s D -l debug -d 'Docker compatibility: sets the log level to debug'
complete -c coracle -n "__fish_coracle_needs_command" -l noout -d 'Do not output to stdout'
complete -c coracle -n "__fish_coracle_needs_command" -s r -l remote -d 'Access a remote service'
complete -c coracle -n "__fish_coracle_needs_command" -s v -l version -d 'Print the version'
complete -c coracle -n "__fish_coracle_needs_command" -l syslog -d 'Accepted: messages go to standard error only'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "attach" -d 'Attach to a running container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "commit" -d 'Create new image based on the changed container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "cp" -d 'Copy files/folders between a container and the local filesystem'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "diff" -d 'Display the changes to the object\'s file system'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "exec" -d 'Run a process in a running container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "export" -d 'Export container\'s filesystem contents as a tar archive'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "inspect" -d 'Display the configuration of object denoted by ID'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "kill" -d 'Kill one or more running containers with a specific signal'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "logs" -d 'Fetch the logs of one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "mount" -d 'Mount a container\'s root filesystem, inside unshare'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unmount" -d 'Unmount a container\'s root filesystem'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "umount" -d 'Unmount a container\'s root filesystem'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "pause" -d 'Pause all the processes in one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "port" -d 'List port mappings or a specific mapping for the container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "create" -d 'Create but do not start a container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "ps" -d 'List containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rename" -d 'Rename an existing container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "restart" -d 'Restart one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rm" -d 'Remove one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "run" -d 'Run a command in a new container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "start" -d 'Start one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "stop" -d 'Stop one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "top" -d 'Display the running processes of a container'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unpause" -d 'Unpause the processes in one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "wait" -d 'Block on one or more containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "container" -d 'Manage containers'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "history" -d 'Show history of a specified image'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "images" -d 'List images in local storage'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "import" -d 'Import a tarball to create a filesystem image'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "load" -d 'Load images from a tar archive'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "pull" -d 'Pull an image from a registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "rmi" -d 'Remove one or more images from local storage'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "save" -d 'Save image(s) to an archive'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "tag" -d 'Add an additional name to a local image'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "untag" -d 'Remove a name from a local image'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "manifest" -d 'Manipulate manifest lists and image indexes'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "network" -d 'Manage networks'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "pod" -d 'Manage pods'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "login" -d 'Log in to a container registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "logout" -d 'Log out of a container registry'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "search" -d 'Search a registry for images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "image" -d 'Manage images'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "completion" -d 'Print the completion script of a shell'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "doctor" -d 'Look at what this host offers to containers and how to mend the rest'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "info" -d 'Display coracle system information'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "system" -d 'Manage coracle'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "unshare" -d 'Run a command in a modified user namespace'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "version" -d 'Display the coracle version information'
complete -c coracle -n "__fish_coracle_needs_command" -f -a "volume" -d 'Manage volumes'
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l detach-keys -d 'Select the key sequence for detaching a container: single characters or `ctrl-` with one of `a-z @ [ \\ ] ^ _`, separated by commas' -r
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l sig-proxy -d 'Proxy received signals to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand attach" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand attach" -l no-stdin -d 'Do not attach STDIN'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s a -l author -d 'Set the author for the image committed' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s c -l change -d 'Apply an instruction to the created image, one of CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l config -d 'File with a container configuration to merge into the image' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s f -l format -d 'Format of the image manifest and metadata' -r -f -a "oci\t''
docker\t''"
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l iidfile -d 'File to write the image ID to' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s m -l message -d 'Set commit message for imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s p -l pause -d 'Pause container during commit' -r
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l include-volumes -d 'Include container volumes as image volumes'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -l no-pause -d 'Do not pause the container during commit, as docker\'s flag'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s q -l quiet -d 'Suppress output'
complete -c coracle -n "__fish_coracle_using_subcommand commit" -s s -l squash -d 'Squash newly built layers into a single new layer'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s a -l archive -d 'Chown copied files to the primary uid/gid of the destination container; docker\'s: keep those of the source' -r
complete -c coracle -n "__fish_coracle_using_subcommand cp" -l pause -d 'Accepted: nothing is paused' -r
complete -c coracle -n "__fish_coracle_using_subcommand cp" -l extract -d 'Accepted: archives are always extracted'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s L -l follow-link -d 'Follow a symbolic link in the source path, as podman always does'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -l overwrite -d 'Allow to overwrite directories with non-directories and vice versa'
complete -c coracle -n "__fish_coracle_using_subcommand cp" -s q -l quiet -d 'Suppress progress output'
complete -c coracle -n "__fish_coracle_using_subcommand diff" -l format -d 'Change the output format (json)' -r
complete -c coracle -n "__fish_coracle_using_subcommand diff" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l detach-keys -d 'Select the key sequence for detaching a container' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s e -l env -d 'Set environment variables' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l env-file -d 'Read in a file of environment variables' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l preserve-fds -d 'Pass N additional file descriptors to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s u -l user -d 'Sets the username or UID used and optionally the groupname or GID' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s w -l workdir -d 'Working directory inside the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s d -l detach -d 'Run the exec session in detached mode (backgrounded)'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s i -l interactive -d 'Make STDIN available to the contained process'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l no-session -d 'Accepted: no session is recorded'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -l privileged -d 'Give the process extended Linux capabilities inside the container'
complete -c coracle -n "__fish_coracle_using_subcommand exec" -s t -l tty -d 'Allocate a pseudo-TTY'
complete -c coracle -n "__fish_coracle_using_subcommand export" -s o -l output -d 'Write to a specified file (default: stdout, which must be redirected)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s f -l format -d 'Format the output to a Go template or json' -r
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s t -l type -d 'Specify inspect-object type' -r -f -a "all\t''
container\t''
image\t''
network\t''
pod\t''
volume\t''"
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand inspect" -s s -l size -d 'Display total file size'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s s -l signal -d 'Signal to send to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s a -l all -d 'Signal all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand kill" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l since -d 'Show logs since TIMESTAMP' -r
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l tail -d 'Output the specified number of LINES at the end of the logs; all when it is negative' -r
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l until -d 'Show logs until TIMESTAMP' -r
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l color -d 'Output the containers with different colors in the log'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -l details -d 'Show extra details provided to the logs'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s f -l follow -d 'Follow log output'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s n -l names -d 'Output the container name in the log'
complete -c coracle -n "__fish_coracle_using_subcommand logs" -s t -l timestamps -d 'Output the timestamps in the log'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -l format -d 'Print the mounts as a table, or as JSON (json)' -r
complete -c coracle -n "__fish_coracle_using_subcommand mount" -s a -l all -d 'Mount all'
complete -c coracle -n "__fish_coracle_using_subcommand mount" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s a -l all -d 'Unmount all'
complete -c coracle -n "__fish_coracle_using_subcommand unmount" -s f -l force -d 'Accepted: a mount is taken away whoever uses it'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s a -l all -d 'Unmount all'
complete -c coracle -n "__fish_coracle_using_subcommand umount" -s f -l force -d 'Accepted: a mount is taken away whoever uses it'
complete -c coracle -n "__fish_coracle_using_subcommand pause" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand pause" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand pause" -s a -l all -d 'Pause all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand pause" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand port" -s a -l all -d 'Display port information for all containers'
complete -c coracle -n "__fish_coracle_using_subcommand port" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l annotation -d 'Add annotations to the container (key=value)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s e -l env -d 'Set environment variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l env-file -d 'Read in a file of environment variables' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l http-proxy -d 'Set proxy environment variables in the container based on the host\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s l -l label -d 'Set metadata on the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l label-file -d 'Read in a file of labels' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l unsetenv -d 'Unset environment default variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l arch -d 'Use ARCH instead of the architecture of the machine for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l os -d 'Use OS instead of the running OS for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l platform -d 'Platform of the image; conflicts with --arch and --os' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l variant -d 'Use VARIANT instead of the running architecture variant for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l retry -d 'Number of times to try again when a registry fails' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l retry-delay -d 'Time between two attempts, such as 5s' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pull -d 'Pull image policy ("always"|"missing"|"never"|"newer")' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s a -l attach -d 'Attach to stdin, stdout or stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cidfile -d 'Write the container ID to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l conmon-pidfile -d 'Write the process ID of the monitor to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l name -d 'Assign a name to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pidfile -d 'Write the process ID of the container\'s first process to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand create" -l restart -d 'Restart policy to apply when the container exits ("always"|"no"|"never"|"on-failure[:N]"|"unless-stopped")' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l rm -d 'Remove the container after it exits' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l sdnotify -d 'Control sd-notify behavior ("container"|"conmon"|"healthy"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l stop-timeout -d 'Seconds that a stopped container has to exit before it is killed' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l timeout -d 'Seconds that a container is allowed to run' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l log-driver -d 'Logging driver for the container ("k8s-file"|"json-file"|"journald"|"none"|"passthrough"); journald sends lines to the host\'s journal, where one runs, and keeps them for logs as well' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l log-opt -d 'Logging driver options' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device -d 'Add a host device to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l image-volume -d 'How to treat volumes of the image ("bind"|"tmpfs"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l mount -d 'Attach a file system mount to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l read-only -d 'Make the container\'s root file system read-only' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l read-only-tmpfs -d 'With --read-only, mount writable tmpfs on /run, /tmp and /var/tmp' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tmpfs -d 'Mount a temporary file system into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s v -l volume -d 'Bind mount a directory or file into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cgroupns -d 'Cgroup namespace to use ("host"|"private"|"container:ID"|"ns:PATH")' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cgroups -d 'Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l gidmap -d 'GID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ipc -d 'IPC namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pid -d 'PID namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l uidmap -d 'UID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l userns -d 'User namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l uts -d 'UTS namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l add-host -d 'Add a custom host-to-IP mapping (host:ip)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns -d 'Set custom DNS servers' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns-option -d 'Set custom DNS options' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l dns-search -d 'Set custom DNS search domains' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l expose -d 'Expose a port or a range of ports' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l hosts-file -d 'Base file to create the /etc/hosts file inside the container, or "none"' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l network -d 'Connect a container to a network' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s p -l publish -d 'Publish a container\'s port, or a range of ports, to the host' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l entrypoint -d 'Overwrite the default ENTRYPOINT of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l group-add -d 'Add supplementary groups; keep-groups keeps those of the caller' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l group-entry -d 'Entry to write to /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l hostuser -d 'Host user account to add to /etc/passwd within the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l oom-score-adj -d 'Tune the host\'s OOM preferences (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l passwd -d 'Add entries to /etc/passwd and /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l passwd-entry -d 'Entry to write to /etc/passwd' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l preserve-fd -d 'Pass a file descriptor into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l preserve-fds -d 'Pass a number of additional file descriptors into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l stop-signal -d 'Signal to stop a container (default SIGTERM)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l systemd -d 'Run as a systemd container ("true"|"false"|"always")' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l tz -d 'Set the time zone in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l ulimit -d 'Limits of the processes, as name=soft[:hard] or host' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l umask -d 'Set the umask in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s u -l user -d 'Username or UID (format: <name|uid>[:<group|gid>])' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s w -l workdir -d 'Working directory inside the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-period -d 'Limit the CPU CFS (Completely Fair Scheduler) period' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpu-quota -d 'Limit the CPU CFS (Completely Fair Scheduler) quota' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s c -l cpu-shares -d 'CPU shares (relative weight)' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpuset-cpus -d 'CPUs in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cpuset-mems -d 'Memory nodes in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l kernel-memory -d 'Ignored: the kernel has no such limit any more' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -s m -l memory -d 'Memory limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-reservation -d 'Memory soft limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-swap -d 'Swap limit equal to memory plus swap' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l memory-swappiness -d 'Ignored: cgroup v2 has no swappiness' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l pids-limit -d 'Tune the container\'s pids limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cap-add -d 'Add capabilities to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l cap-drop -d 'Drop capabilities from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l device-cgroup-rule -d 'Add a rule to the cgroup allowed devices list' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l disable-content-trust -d 'Accepted: images are not signed for docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l seccomp-policy -d 'Policy for selecting a seccomp profile; only "default" exists' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l security-opt -d 'Security options' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l sysctl -d 'Sysctl options' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l isolation -d 'Accepted: there is one way to isolate' -r
complete -c coracle -n "__fish_coracle_using_subcommand create" -l env-host -d 'Use all current host environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l unsetenv-all -d 'Unset all default environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s q -l quiet -d 'Suppress output when pulling images'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l rootfs -d 'The first argument is not an image but the root file system of the container'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l no-healthcheck -d 'Disable healthchecks on the container'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l replace -d 'Replace a container of the same name'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l rmi -d 'Remove the image unless other containers use it, implies --rm'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l no-hostname -d 'Do not create /etc/hostname within the container'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l no-hosts -d 'Do not create /etc/hosts within the container'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s P -l publish-all -d 'Publish all exposed ports to random ports on the host interface'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l init -d 'Run an init inside the container that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s i -l interactive -d 'Keep stdin open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand create" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand create" -l privileged -d 'Give extended privileges to the container'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l format -d 'Pretty-print containers to JSON or using a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s n -l last -d 'Print the n last created containers (all states)' -r
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l sort -d 'Sort output by: command, created, id, image, names, runningfor, size, status' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s a -l all -d 'Show all the containers, default is only running containers'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l external -d 'Accepted: coracle keeps no containers of other programs'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l no-trunc -d 'Do not truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l ns -d 'Display namespace information'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s p -l pod -d 'Print the ID and name of the pod the containers are associated with'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s q -l quiet -d 'Print the numeric IDs of the containers only'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -s s -l size -d 'Display the total file sizes'
complete -c coracle -n "__fish_coracle_using_subcommand ps" -l sync -d 'Accepted: what is shown is always true now'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s s -l signal -d 'Signal to send in place of the container\'s own' -r
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s t -l time -d 'Seconds to wait for stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand restart" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s a -l all -d 'Restart all non-running containers'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -l running -d 'Restart only running containers'
complete -c coracle -n "__fish_coracle_using_subcommand restart" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s t -l time -d 'Seconds to wait for stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s a -l all -d 'Remove all containers'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -l depend -d 'Remove container and all containers that depend on the selected container'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s f -l force -d 'Force removal of a running or unusable container'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s i -l ignore -d 'Ignore errors when a specified container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand rm" -s v -l volumes -d 'Remove anonymous volumes associated with the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l annotation -d 'Add annotations to the container (key=value)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s e -l env -d 'Set environment variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l env-file -d 'Read in a file of environment variables' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l http-proxy -d 'Set proxy environment variables in the container based on the host\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s l -l label -d 'Set metadata on the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l label-file -d 'Read in a file of labels' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l unsetenv -d 'Unset environment default variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l arch -d 'Use ARCH instead of the architecture of the machine for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l os -d 'Use OS instead of the running OS for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l platform -d 'Platform of the image; conflicts with --arch and --os' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l variant -d 'Use VARIANT instead of the running architecture variant for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l retry -d 'Number of times to try again when a registry fails' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l retry-delay -d 'Time between two attempts, such as 5s' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pull -d 'Pull image policy ("always"|"missing"|"never"|"newer")' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s a -l attach -d 'Attach to stdin, stdout or stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cidfile -d 'Write the container ID to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l conmon-pidfile -d 'Write the process ID of the monitor to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l name -d 'Assign a name to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pidfile -d 'Write the process ID of the container\'s first process to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand run" -l restart -d 'Restart policy to apply when the container exits ("always"|"no"|"never"|"on-failure[:N]"|"unless-stopped")' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l rm -d 'Remove the container after it exits' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sdnotify -d 'Control sd-notify behavior ("container"|"conmon"|"healthy"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l stop-timeout -d 'Seconds that a stopped container has to exit before it is killed' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l timeout -d 'Seconds that a container is allowed to run' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l log-driver -d 'Logging driver for the container ("k8s-file"|"json-file"|"journald"|"none"|"passthrough"); journald sends lines to the host\'s journal, where one runs, and keeps them for logs as well' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l log-opt -d 'Logging driver options' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device -d 'Add a host device to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l image-volume -d 'How to treat volumes of the image ("bind"|"tmpfs"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l mount -d 'Attach a file system mount to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l read-only -d 'Make the container\'s root file system read-only' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l read-only-tmpfs -d 'With --read-only, mount writable tmpfs on /run, /tmp and /var/tmp' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tmpfs -d 'Mount a temporary file system into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s v -l volume -d 'Bind mount a directory or file into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cgroupns -d 'Cgroup namespace to use ("host"|"private"|"container:ID"|"ns:PATH")' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cgroups -d 'Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l gidmap -d 'GID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ipc -d 'IPC namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pid -d 'PID namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l uidmap -d 'UID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l userns -d 'User namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l uts -d 'UTS namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l add-host -d 'Add a custom host-to-IP mapping (host:ip)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns -d 'Set custom DNS servers' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns-option -d 'Set custom DNS options' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l dns-search -d 'Set custom DNS search domains' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l expose -d 'Expose a port or a range of ports' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l hosts-file -d 'Base file to create the /etc/hosts file inside the container, or "none"' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l network -d 'Connect a container to a network' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s p -l publish -d 'Publish a container\'s port, or a range of ports, to the host' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l entrypoint -d 'Overwrite the default ENTRYPOINT of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l group-add -d 'Add supplementary groups; keep-groups keeps those of the caller' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l group-entry -d 'Entry to write to /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l hostuser -d 'Host user account to add to /etc/passwd within the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l oom-score-adj -d 'Tune the host\'s OOM preferences (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l passwd -d 'Add entries to /etc/passwd and /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l passwd-entry -d 'Entry to write to /etc/passwd' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l preserve-fd -d 'Pass a file descriptor into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l preserve-fds -d 'Pass a number of additional file descriptors into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l stop-signal -d 'Signal to stop a container (default SIGTERM)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l systemd -d 'Run as a systemd container ("true"|"false"|"always")' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l tz -d 'Set the time zone in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l ulimit -d 'Limits of the processes, as name=soft[:hard] or host' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l umask -d 'Set the umask in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s u -l user -d 'Username or UID (format: <name|uid>[:<group|gid>])' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s w -l workdir -d 'Working directory inside the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-period -d 'Limit the CPU CFS (Completely Fair Scheduler) period' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpu-quota -d 'Limit the CPU CFS (Completely Fair Scheduler) quota' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s c -l cpu-shares -d 'CPU shares (relative weight)' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpuset-cpus -d 'CPUs in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cpuset-mems -d 'Memory nodes in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l kernel-memory -d 'Ignored: the kernel has no such limit any more' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -s m -l memory -d 'Memory limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-reservation -d 'Memory soft limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-swap -d 'Swap limit equal to memory plus swap' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l memory-swappiness -d 'Ignored: cgroup v2 has no swappiness' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l pids-limit -d 'Tune the container\'s pids limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cap-add -d 'Add capabilities to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l cap-drop -d 'Drop capabilities from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l device-cgroup-rule -d 'Add a rule to the cgroup allowed devices list' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l disable-content-trust -d 'Accepted: images are not signed for docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l seccomp-policy -d 'Policy for selecting a seccomp profile; only "default" exists' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l security-opt -d 'Security options' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sysctl -d 'Sysctl options' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l isolation -d 'Accepted: there is one way to isolate' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l detach-keys -d 'Override the key sequence for detaching a container' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l sig-proxy -d 'Proxy received signals to the process' -r
complete -c coracle -n "__fish_coracle_using_subcommand run" -l env-host -d 'Use all current host environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l unsetenv-all -d 'Unset all default environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s q -l quiet -d 'Suppress output when pulling images'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l rootfs -d 'The first argument is not an image but the root file system of the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l no-healthcheck -d 'Disable healthchecks on the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l replace -d 'Replace a container of the same name'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l rmi -d 'Remove the image unless other containers use it, implies --rm'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l no-hostname -d 'Do not create /etc/hostname within the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l no-hosts -d 'Do not create /etc/hosts within the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s P -l publish-all -d 'Publish all exposed ports to random ports on the host interface'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l init -d 'Run an init inside the container that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s i -l interactive -d 'Keep stdin open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand run" -l privileged -d 'Give extended privileges to the container'
complete -c coracle -n "__fish_coracle_using_subcommand run" -s d -l detach -d 'Run the container in the background and print its ID'
complete -c coracle -n "__fish_coracle_using_subcommand start" -l detach-keys -d 'Key sequence for detaching a container' -r
complete -c coracle -n "__fish_coracle_using_subcommand start" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand start" -l sig-proxy -d 'Proxy received signals to the process (default true if attaching, false otherwise)' -r
complete -c coracle -n "__fish_coracle_using_subcommand start" -l all -d 'Start all containers regardless of their state or configuration'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s a -l attach -d 'Attach container\'s STDOUT and STDERR'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s i -l interactive -d 'Make STDIN available to the contained process'
complete -c coracle -n "__fish_coracle_using_subcommand start" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s s -l signal -d 'Signal to send in place of the container\'s own' -r
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s t -l time -d 'Seconds to wait for stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand stop" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s a -l all -d 'Stop all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s i -l ignore -d 'Ignore errors when a specified container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand stop" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand top" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand top" -l list-descriptors -d 'Print the names of all descriptors'
complete -c coracle -n "__fish_coracle_using_subcommand unpause" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand unpause" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand unpause" -s a -l all -d 'Unpause all paused containers'
complete -c coracle -n "__fish_coracle_using_subcommand unpause" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l condition -d 'Condition to wait on' -r
complete -c coracle -n "__fish_coracle_using_subcommand wait" -s i -l interval -d 'Time interval to wait before polling for completion' -r
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l exit-first-match -d 'Wait for exit of first container which matches conditions, ignore other ones'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -l ignore -d 'Ignore if a container does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand wait" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "attach" -d 'Attach to a running container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "commit" -d 'Create new image based on the changed container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "cp" -d 'Copy files/folders between a container and the local filesystem'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "diff" -d 'Inspect changes to the container\'s file systems'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "exec" -d 'Run a process in a running container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "exists" -d 'Check if a container exists in local storage'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "export" -d 'Export container\'s filesystem contents as a tar archive'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "inspect" -d 'Display the configuration of a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "kill" -d 'Kill one or more running containers with a specific signal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "logs" -d 'Fetch the logs of one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "mount" -d 'Mount a container\'s root filesystem, inside unshare'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "unmount" -d 'Unmount a container\'s root filesystem'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "umount" -d 'Unmount a container\'s root filesystem'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "pause" -d 'Pause all the processes in one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "port" -d 'List port mappings or a specific mapping for the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "cleanup" -d 'Clean up network and mountpoints of one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "create" -d 'Create but do not start a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "prune" -d 'Remove all non running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "ps" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "ls" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "list" -d 'List containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "rename" -d 'Rename an existing container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "restart" -d 'Restart one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "rm" -d 'Remove one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "remove" -d 'Remove one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "run" -d 'Run a command in a new container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "start" -d 'Start one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "stop" -d 'Stop one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "top" -d 'Display the running processes of a container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "unpause" -d 'Unpause the processes in one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and not __fish_seen_subcommand_from attach commit cp diff exec exists export inspect kill logs mount unmount umount pause port cleanup create prune ps ls list rename restart rm remove run start stop top unpause wait" -f -a "wait" -d 'Block on one or more containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l detach-keys -d 'Select the key sequence for detaching a container: single characters or `ctrl-` with one of `a-z @ [ \\ ] ^ _`, separated by commas' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'Proxy received signals to the process' -r -f -a "true\t''
false\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from attach" -l no-stdin -d 'Do not attach STDIN'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s a -l author -d 'Set the author for the image committed' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s c -l change -d 'Apply an instruction to the created image, one of CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l config -d 'File with a container configuration to merge into the image' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s f -l format -d 'Format of the image manifest and metadata' -r -f -a "oci\t''
docker\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l iidfile -d 'File to write the image ID to' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s m -l message -d 'Set commit message for imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s p -l pause -d 'Pause container during commit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l include-volumes -d 'Include container volumes as image volumes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -l no-pause -d 'Do not pause the container during commit, as docker\'s flag'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s q -l quiet -d 'Suppress output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from commit" -s s -l squash -d 'Squash newly built layers into a single new layer'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s a -l archive -d 'Chown copied files to the primary uid/gid of the destination container; docker\'s: keep those of the source' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -l pause -d 'Accepted: nothing is paused' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -l extract -d 'Accepted: archives are always extracted'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s L -l follow-link -d 'Follow a symbolic link in the source path, as podman always does'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -l overwrite -d 'Allow to overwrite directories with non-directories and vice versa'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cp" -s q -l quiet -d 'Suppress progress output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from diff" -l format -d 'Change the output format (json)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from diff" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l detach-keys -d 'Select the key sequence for detaching a container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set environment variables' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'Read in a file of environment variables' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l preserve-fds -d 'Pass N additional file descriptors to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'Sets the username or UID used and optionally the groupname or GID' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'Working directory inside the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Run the exec session in detached mode (backgrounded)'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Make STDIN available to the contained process'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l no-session -d 'Accepted: no session is recorded'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -l privileged -d 'Give the process extended Linux capabilities inside the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Allocate a pseudo-TTY'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from exists" -l external -d 'Accepted: coracle keeps no containers of other programs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a specified file (default: stdout, which must be redirected)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format the output to a Go template or json' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Display total file size'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'Signal to send to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'Signal all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from kill" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'Show logs since TIMESTAMP' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l tail -d 'Output the specified number of LINES at the end of the logs; all when it is negative' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'Show logs until TIMESTAMP' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l color -d 'Output the containers with different colors in the log'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -l details -d 'Show extra details provided to the logs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Follow log output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l names -d 'Output the container name in the log'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Output the timestamps in the log'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -l format -d 'Print the mounts as a table, or as JSON (json)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -s a -l all -d 'Mount all'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from mount" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s a -l all -d 'Unmount all'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Accepted: a mount is taken away whoever uses it'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s a -l all -d 'Unmount all'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from umount" -s f -l force -d 'Accepted: a mount is taken away whoever uses it'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from pause" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from pause" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from pause" -s a -l all -d 'Pause all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from pause" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from port" -s a -l all -d 'Display port information for all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from port" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cleanup" -s a -l all -d 'Clean up all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cleanup" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cleanup" -l rm -d 'After cleanup, remove the container entirely'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from cleanup" -l stopped-only -d 'Accepted: nothing but ended containers is ever cleaned up'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l annotation -d 'Add annotations to the container (key=value)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s e -l env -d 'Set environment variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l env-file -d 'Read in a file of environment variables' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l http-proxy -d 'Set proxy environment variables in the container based on the host\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s l -l label -d 'Set metadata on the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l label-file -d 'Read in a file of labels' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv -d 'Unset environment default variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l arch -d 'Use ARCH instead of the architecture of the machine for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l os -d 'Use OS instead of the running OS for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l platform -d 'Platform of the image; conflicts with --arch and --os' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l variant -d 'Use VARIANT instead of the running architecture variant for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l retry -d 'Number of times to try again when a registry fails' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l retry-delay -d 'Time between two attempts, such as 5s' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pull -d 'Pull image policy ("always"|"missing"|"never"|"newer")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s a -l attach -d 'Attach to stdin, stdout or stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cidfile -d 'Write the container ID to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l conmon-pidfile -d 'Write the process ID of the monitor to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l name -d 'Assign a name to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pidfile -d 'Write the process ID of the container\'s first process to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l restart -d 'Restart policy to apply when the container exits ("always"|"no"|"never"|"on-failure[:N]"|"unless-stopped")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l rm -d 'Remove the container after it exits' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l sdnotify -d 'Control sd-notify behavior ("container"|"conmon"|"healthy"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-timeout -d 'Seconds that a stopped container has to exit before it is killed' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l timeout -d 'Seconds that a container is allowed to run' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l log-driver -d 'Logging driver for the container ("k8s-file"|"json-file"|"journald"|"none"|"passthrough"); journald sends lines to the host\'s journal, where one runs, and keeps them for logs as well' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l log-opt -d 'Logging driver options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device -d 'Add a host device to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l image-volume -d 'How to treat volumes of the image ("bind"|"tmpfs"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l mount -d 'Attach a file system mount to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only -d 'Make the container\'s root file system read-only' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only-tmpfs -d 'With --read-only, mount writable tmpfs on /run, /tmp and /var/tmp' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tmpfs -d 'Mount a temporary file system into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s v -l volume -d 'Bind mount a directory or file into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroupns -d 'Cgroup namespace to use ("host"|"private"|"container:ID"|"ns:PATH")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroups -d 'Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l gidmap -d 'GID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ipc -d 'IPC namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pid -d 'PID namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l uidmap -d 'UID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l userns -d 'User namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l uts -d 'UTS namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l add-host -d 'Add a custom host-to-IP mapping (host:ip)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns -d 'Set custom DNS servers' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-option -d 'Set custom DNS options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l dns-search -d 'Set custom DNS search domains' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l expose -d 'Expose a port or a range of ports' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l hosts-file -d 'Base file to create the /etc/hosts file inside the container, or "none"' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l network -d 'Connect a container to a network' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s p -l publish -d 'Publish a container\'s port, or a range of ports, to the host' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l entrypoint -d 'Overwrite the default ENTRYPOINT of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l group-add -d 'Add supplementary groups; keep-groups keeps those of the caller' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l group-entry -d 'Entry to write to /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l hostuser -d 'Host user account to add to /etc/passwd within the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-score-adj -d 'Tune the host\'s OOM preferences (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l passwd -d 'Add entries to /etc/passwd and /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l passwd-entry -d 'Entry to write to /etc/passwd' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l preserve-fd -d 'Pass a file descriptor into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l preserve-fds -d 'Pass a number of additional file descriptors into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-signal -d 'Signal to stop a container (default SIGTERM)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l systemd -d 'Run as a systemd container ("true"|"false"|"always")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l tz -d 'Set the time zone in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l ulimit -d 'Limits of the processes, as name=soft[:hard] or host' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l umask -d 'Set the umask in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s u -l user -d 'Username or UID (format: <name|uid>[:<group|gid>])' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s w -l workdir -d 'Working directory inside the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-period -d 'Limit the CPU CFS (Completely Fair Scheduler) period' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-quota -d 'Limit the CPU CFS (Completely Fair Scheduler) quota' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s c -l cpu-shares -d 'CPU shares (relative weight)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-cpus -d 'CPUs in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-mems -d 'Memory nodes in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l kernel-memory -d 'Ignored: the kernel has no such limit any more' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s m -l memory -d 'Memory limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-reservation -d 'Memory soft limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swap -d 'Swap limit equal to memory plus swap' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swappiness -d 'Ignored: cgroup v2 has no swappiness' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l pids-limit -d 'Tune the container\'s pids limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-add -d 'Add capabilities to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-drop -d 'Drop capabilities from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l device-cgroup-rule -d 'Add a rule to the cgroup allowed devices list' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l disable-content-trust -d 'Accepted: images are not signed for docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l seccomp-policy -d 'Policy for selecting a seccomp profile; only "default" exists' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l security-opt -d 'Security options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l sysctl -d 'Sysctl options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l isolation -d 'Accepted: there is one way to isolate' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l env-host -d 'Use all current host environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv-all -d 'Unset all default environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Suppress output when pulling images'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l rootfs -d 'The first argument is not an image but the root file system of the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l no-healthcheck -d 'Disable healthchecks on the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l replace -d 'Replace a container of the same name'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l rmi -d 'Remove the image unless other containers use it, implies --rm'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l no-hostname -d 'Do not create /etc/hostname within the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l no-hosts -d 'Do not create /etc/hosts within the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s P -l publish-all -d 'Publish all exposed ports to random ports on the host interface'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l init -d 'Run an init inside the container that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s i -l interactive -d 'Keep stdin open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from create" -l privileged -d 'Give extended privileges to the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'Provide filter values (e.g. \'label=<key>=<value>\')' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not prompt for confirmation'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l format -d 'Pretty-print containers to JSON or using a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s n -l last -d 'Print the n last created containers (all states)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l sort -d 'Sort output by: command, created, id, image, names, runningfor, size, status' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s a -l all -d 'Show all the containers, default is only running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l external -d 'Accepted: coracle keeps no containers of other programs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Do not truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l ns -d 'Display namespace information'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s p -l pod -d 'Print the ID and name of the pod the containers are associated with'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Print the numeric IDs of the containers only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -s s -l size -d 'Display the total file sizes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ps" -l sync -d 'Accepted: what is shown is always true now'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d 'Pretty-print containers to JSON or using a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'Print the n last created containers (all states)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l sort -d 'Sort output by: command, created, id, image, names, runningfor, size, status' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all the containers, default is only running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l external -d 'Accepted: coracle keeps no containers of other programs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l ns -d 'Display namespace information'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s p -l pod -d 'Print the ID and name of the pod the containers are associated with'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print the numeric IDs of the containers only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -s s -l size -d 'Display the total file sizes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from ls" -l sync -d 'Accepted: what is shown is always true now'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l format -d 'Pretty-print containers to JSON or using a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s n -l last -d 'Print the n last created containers (all states)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l sort -d 'Sort output by: command, created, id, image, names, runningfor, size, status' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s a -l all -d 'Show all the containers, default is only running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l external -d 'Accepted: coracle keeps no containers of other programs'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l ns -d 'Display namespace information'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s p -l pod -d 'Print the ID and name of the pod the containers are associated with'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print the numeric IDs of the containers only'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -s s -l size -d 'Display the total file sizes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from list" -l sync -d 'Accepted: what is shown is always true now'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s s -l signal -d 'Signal to send in place of the container\'s own' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s t -l time -d 'Seconds to wait for stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s a -l all -d 'Restart all non-running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -l running -d 'Restart only running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from restart" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait for stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -l depend -d 'Remove container and all containers that depend on the selected container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Force removal of a running or unusable container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Ignore errors when a specified container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Remove anonymous volumes associated with the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s t -l time -d 'Seconds to wait for stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -l depend -d 'Remove container and all containers that depend on the selected container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s f -l force -d 'Force removal of a running or unusable container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'Ignore errors when a specified container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from remove" -s v -l volumes -d 'Remove anonymous volumes associated with the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l annotation -d 'Add annotations to the container (key=value)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'Set environment variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'Read in a file of environment variables' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l http-proxy -d 'Set proxy environment variables in the container based on the host\'s' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'Set metadata on the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l label-file -d 'Read in a file of labels' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv -d 'Unset environment default variables in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l arch -d 'Use ARCH instead of the architecture of the machine for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l os -d 'Use OS instead of the running OS for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'Platform of the image; conflicts with --arch and --os' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l variant -d 'Use VARIANT instead of the running architecture variant for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l retry -d 'Number of times to try again when a registry fails' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l retry-delay -d 'Time between two attempts, such as 5s' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'Pull image policy ("always"|"missing"|"never"|"newer")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s a -l attach -d 'Attach to stdin, stdout or stderr' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cidfile -d 'Write the container ID to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l conmon-pidfile -d 'Write the process ID of the monitor to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'Assign a name to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pidfile -d 'Write the process ID of the container\'s first process to the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l restart -d 'Restart policy to apply when the container exits ("always"|"no"|"never"|"on-failure[:N]"|"unless-stopped")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container after it exits' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sdnotify -d 'Control sd-notify behavior ("container"|"conmon"|"healthy"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-timeout -d 'Seconds that a stopped container has to exit before it is killed' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l timeout -d 'Seconds that a container is allowed to run' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l log-driver -d 'Logging driver for the container ("k8s-file"|"json-file"|"journald"|"none"|"passthrough"); journald sends lines to the host\'s journal, where one runs, and keeps them for logs as well' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l log-opt -d 'Logging driver options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device -d 'Add a host device to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l image-volume -d 'How to treat volumes of the image ("bind"|"tmpfs"|"ignore")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'Attach a file system mount to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'Make the container\'s root file system read-only' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only-tmpfs -d 'With --read-only, mount writable tmpfs on /run, /tmp and /var/tmp' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l shm-size -d 'Size of /dev/shm' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount a temporary file system into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'Bind mount a directory or file into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroupns -d 'Cgroup namespace to use ("host"|"private"|"container:ID"|"ns:PATH")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroups -d 'Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l gidmap -d 'GID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'Set the container\'s host name' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ipc -d 'IPC namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pid -d 'PID namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l uidmap -d 'UID map to use for the user namespace' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l userns -d 'User namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l uts -d 'UTS namespace to use' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l add-host -d 'Add a custom host-to-IP mapping (host:ip)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns -d 'Set custom DNS servers' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-option -d 'Set custom DNS options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l dns-search -d 'Set custom DNS search domains' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l expose -d 'Expose a port or a range of ports' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l hosts-file -d 'Base file to create the /etc/hosts file inside the container, or "none"' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l network -d 'Connect a container to a network' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s p -l publish -d 'Publish a container\'s port, or a range of ports, to the host' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'Overwrite the default ENTRYPOINT of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l group-add -d 'Add supplementary groups; keep-groups keeps those of the caller' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l group-entry -d 'Entry to write to /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l hostuser -d 'Host user account to add to /etc/passwd within the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-score-adj -d 'Tune the host\'s OOM preferences (-1000 to 1000)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l passwd -d 'Add entries to /etc/passwd and /etc/group' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l passwd-entry -d 'Entry to write to /etc/passwd' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fd -d 'Pass a file descriptor into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fds -d 'Pass a number of additional file descriptors into the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'Signal to stop a container (default SIGTERM)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l systemd -d 'Run as a systemd container ("true"|"false"|"always")' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l tz -d 'Set the time zone in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l ulimit -d 'Limits of the processes, as name=soft[:hard] or host' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l umask -d 'Set the umask in the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'Username or UID (format: <name|uid>[:<group|gid>])' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'Working directory inside the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-period -d 'Limit the CPU CFS (Completely Fair Scheduler) period' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-quota -d 'Limit the CPU CFS (Completely Fair Scheduler) quota' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'CPU shares (relative weight)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpus -d 'Number of CPUs' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'CPUs in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-mems -d 'Memory nodes in which to allow execution' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l kernel-memory -d 'Ignored: the kernel has no such limit any more' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s m -l memory -d 'Memory limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-reservation -d 'Memory soft limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swap -d 'Swap limit equal to memory plus swap' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swappiness -d 'Ignored: cgroup v2 has no swappiness' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l pids-limit -d 'Tune the container\'s pids limit' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'Add capabilities to the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop capabilities from the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l device-cgroup-rule -d 'Add a rule to the cgroup allowed devices list' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l disable-content-trust -d 'Accepted: images are not signed for docker' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l seccomp-policy -d 'Policy for selecting a seccomp profile; only "default" exists' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l security-opt -d 'Security options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sysctl -d 'Sysctl options' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l isolation -d 'Accepted: there is one way to isolate' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l detach-keys -d 'Override the key sequence for detaching a container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l sig-proxy -d 'Proxy received signals to the process' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l env-host -d 'Use all current host environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv-all -d 'Unset all default environment variables in the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Suppress output when pulling images'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l rootfs -d 'The first argument is not an image but the root file system of the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l no-healthcheck -d 'Disable healthchecks on the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l replace -d 'Replace a container of the same name'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l rmi -d 'Remove the image unless other containers use it, implies --rm'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l no-hostname -d 'Do not create /etc/hostname within the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l no-hosts -d 'Do not create /etc/hosts within the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s P -l publish-all -d 'Publish all exposed ports to random ports on the host interface'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l init -d 'Run an init inside the container that forwards signals and reaps processes'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep stdin open even if not attached'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'Allocate a pseudo-terminal'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -l privileged -d 'Give extended privileges to the container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'Run the container in the background and print its ID'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l detach-keys -d 'Key sequence for detaching a container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l sig-proxy -d 'Proxy received signals to the process (default true if attaching, false otherwise)' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -l all -d 'Start all containers regardless of their state or configuration'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'Attach container\'s STDOUT and STDERR'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'Make STDIN available to the contained process'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from start" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s s -l signal -d 'Signal to send in place of the container\'s own' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -d 'Seconds to wait for stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'Stop all running containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'Ignore errors when a specified container is missing'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from stop" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from top" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from top" -l list-descriptors -d 'Print the names of all descriptors'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unpause" -l cidfile -d 'Read the container ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unpause" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unpause" -s a -l all -d 'Unpause all paused containers'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from unpause" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l condition -d 'Condition to wait on' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -s i -l interval -d 'Time interval to wait before polling for completion' -r
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l exit-first-match -d 'Wait for exit of first container which matches conditions, ignore other ones'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -l ignore -d 'Ignore if a container does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand container; and __fish_seen_subcommand_from wait" -s l -l latest -d 'Act on the latest container'
complete -c coracle -n "__fish_coracle_using_subcommand history" -l format -d 'Change the output to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand history" -s H -l human -d 'Display sizes and dates in human readable format' -r
complete -c coracle -n "__fish_coracle_using_subcommand history" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand history" -s q -l quiet -d 'Display the numeric IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand images" -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand images" -l sort -d 'Sort by created, id, repository, size, or tag' -r
complete -c coracle -n "__fish_coracle_using_subcommand images" -s a -l all -d 'Show all images, also those that only lead to others'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l history -d 'Display the image name history'
complete -c coracle -n "__fish_coracle_using_subcommand images" -l no-trunc -d 'Do not truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s n -l noheading -d 'Do not print column headings'
complete -c coracle -n "__fish_coracle_using_subcommand images" -s q -l quiet -d 'Display only image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand import" -l arch -d 'Set the architecture of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -s c -l change -d 'Apply an instruction to the created image, one of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -s m -l message -d 'Set the commit message of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -l os -d 'Set the OS of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -l variant -d 'Set the variant of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand import" -s q -l quiet -d 'Suppress output'
complete -c coracle -n "__fish_coracle_using_subcommand load" -s i -l input -d 'Read from an archive file instead of standard input' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand load" -s q -l quiet -d 'Suppress the progress output'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l policy -d 'Pull image policy ("always"|"missing"|"never"|"newer")' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l arch -d 'Use ARCH instead of the architecture of the machine for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l os -d 'Use OS instead of the running OS for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l platform -d 'Platform of the image; conflicts with --arch and --os' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l variant -d 'Use VARIANT instead of the running architecture variant for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l retry -d 'Number of times to try again when a registry fails' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l retry-delay -d 'Time between two attempts, such as 5s' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -l disable-content-trust -d 'Accepted: signatures of Docker\'s notary are not checked' -r
complete -c coracle -n "__fish_coracle_using_subcommand pull" -s a -l all-tags -d 'Pull all tags of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand pull" -s q -l quiet -d 'Suppress the progress output'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s a -l all -d 'Remove all images'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s f -l force -d 'Force removal of the image, and of the containers that use it'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -s i -l ignore -d 'Ignore errors if a specified image does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand rmi" -l no-prune -d 'Accepted: images that only lead to others are not kept'
complete -c coracle -n "__fish_coracle_using_subcommand save" -l format -d 'Save image to docker-archive, oci-archive, docker-dir (directory with v2s2 manifest type), oci-dir (directory with oci manifest type)' -r -f -a "oci-archive\t''
oci-dir\t''
docker-archive\t''
docker-dir\t''"
complete -c coracle -n "__fish_coracle_using_subcommand save" -s o -l output -d 'Write to a specified file (default: stdout, which must be redirected)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand save" -l signature-policy -d 'Accepted: saving asks no policy' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand save" -l compress -d 'Compress image layers when saving to a directory with docker-dir'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s m -l multi-image-archive -d 'Interpret additional arguments as images not tags and create a multi-image-archive'
complete -c coracle -n "__fish_coracle_using_subcommand save" -s q -l quiet -d 'Suppress the output'
complete -c coracle -n "__fish_coracle_using_subcommand save" -l uncompressed -d 'Leave layers uncompressed in OCI images'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect remove rm" -f -a "add" -d 'Add images to a manifest list or image index'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect remove rm" -f -a "annotate" -d 'Change what a manifest list says of an image'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect remove rm" -f -a "create" -d 'Create a manifest list or image index'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect remove rm" -f -a "exists" -d 'Check whether a manifest list exists in local storage'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect remove rm" -f -a "inspect" -d 'Display a manifest list or image index'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect remove rm" -f -a "remove" -d 'Remove an image from a manifest list or image index'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect remove rm" -f -a "rm" -d 'Remove a manifest list or image index from local storage'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l insecure -d 'Neither require HTTPS nor check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l annotation -d 'Set an annotation' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l arch -d 'Override the architecture of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l features -d 'Override the features of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os -d 'Override the OS of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-features -d 'Override the OS features of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-version -d 'Override the OS version of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l variant -d 'Override the variant of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from add" -l all -d 'Add all images of those that are for several platforms'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l annotation -d 'Set an annotation' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l arch -d 'Override the architecture of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l features -d 'Override the features of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os -d 'Override the OS of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-features -d 'Override the OS features of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-version -d 'Override the OS version of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l variant -d 'Override the variant of the image' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l index -d 'Annotate the list itself'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l insecure -d 'Neither require HTTPS nor check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l annotation -d 'Set an annotation of the list' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -l all -d 'Add all images of those that are for several platforms'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from create" -s a -l amend -d 'Change the list if one of that name exists'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l insecure -d 'Neither require HTTPS nor check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Accepted: there is nothing more to tell'
complete -c coracle -n "__fish_coracle_using_subcommand manifest; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Ignore lists that do not exist'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "exists" -d 'Check if a network exists'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "inspect" -d 'Inspect network'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "ls" -d 'List networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "list" -d 'List networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "prune" -d 'Prune unused networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "rm" -d 'Remove one or more networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "remove" -d 'Remove one or more networks'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Pretty-print the network to JSON or using a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -l format -d 'Format output as JSON or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print names or IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -l format -d 'Format output as JSON or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print names or IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -l filter -d 'Provide filter values (e.g. \'label=<key>=<value>\')' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not prompt for confirmation'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait for running containers to stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove any containers using network'
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -s t -l time -d 'Seconds to wait for running containers to stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand network; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove any containers using network'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "exists" -d 'Check if a pod exists in local storage'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "inspect" -d 'Display a pod configuration'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "ps" -d 'List pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "ls" -d 'List pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "list" -d 'List pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "prune" -d 'Remove all stopped pods and their containers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "rm" -d 'Remove one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and not __fish_seen_subcommand_from exists inspect ps ls list prune rm remove" -f -a "remove" -d 'Remove one or more pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format the output to a Go template or json' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from inspect" -s l -l latest -d 'Act on the latest pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l format -d 'Format output as JSON or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l sort -d 'Sort output by created, id, name, number or status' -r -f -a "created\t''
id\t''
name\t''
number\t''
status\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s n -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Print names or IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ctr-ids -d 'Display the container UUIDs'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ctr-names -d 'Display the container names'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ctr-status -d 'Display the container status'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -s l -l latest -d 'Act on the latest pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ps" -l ns -d 'Display namespace information of the pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l format -d 'Format output as JSON or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l sort -d 'Sort output by created, id, name, number or status' -r -f -a "created\t''
id\t''
name\t''
number\t''
status\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print names or IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ctr-ids -d 'Display the container UUIDs'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ctr-names -d 'Display the container names'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ctr-status -d 'Display the container status'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -s l -l latest -d 'Act on the latest pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from ls" -l ns -d 'Display namespace information of the pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l format -d 'Format output as JSON or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l sort -d 'Sort output by created, id, name, number or status' -r -f -a "created\t''
id\t''
name\t''
number\t''
status\t''"
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print names or IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ctr-ids -d 'Display the container UUIDs'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ctr-names -d 'Display the container names'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ctr-status -d 'Display the container status'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -s l -l latest -d 'Act on the latest pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from list" -l ns -d 'Display namespace information of the pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not prompt for confirmation'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -l pod-id-file -d 'Read the pod ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait for pod stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all running pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s f -l force -d 'Force removal of a running pod by first stopping all containers, then removing all containers in the pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Ignore errors when a specified pod is missing'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from rm" -s l -l latest -d 'Act on the latest pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from remove" -l pod-id-file -d 'Read the pod ID from the file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from remove" -s t -l time -d 'Seconds to wait for pod stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all running pods'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from remove" -s f -l force -d 'Force removal of a running pod by first stopping all containers, then removing all containers in the pod'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'Ignore errors when a specified pod is missing'
complete -c coracle -n "__fish_coracle_using_subcommand pod; and __fish_seen_subcommand_from remove" -s l -l latest -d 'Act on the latest pod'
complete -c coracle -n "__fish_coracle_using_subcommand login" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand login" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand login" -l compat-auth-file -d 'Path of an authentication file in Docker\'s form, which is written in that form' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand login" -s p -l password -d 'Password for the registry; other users of the machine may see it' -r
complete -c coracle -n "__fish_coracle_using_subcommand login" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand login" -s u -l username -d 'Username for the registry' -r
complete -c coracle -n "__fish_coracle_using_subcommand login" -l get-login -d 'Return the current login user for the registry'
complete -c coracle -n "__fish_coracle_using_subcommand login" -l password-stdin -d 'Take the password from standard input'
complete -c coracle -n "__fish_coracle_using_subcommand login" -s v -l verbose -d 'Tell where the login is kept'
complete -c coracle -n "__fish_coracle_using_subcommand logout" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand logout" -l compat-auth-file -d 'Path of an authentication file in Docker\'s form' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand logout" -s a -l all -d 'Remove the logins of all registries'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand search" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand search" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -s f -l filter -d 'Filter output based on conditions given: stars=N, is-official, is-automated' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l limit -d 'Limit the number of results' -r
complete -c coracle -n "__fish_coracle_using_subcommand search" -l compatible -d 'List stars and official columns, as Docker does'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l list-tags -d 'List the tags of a repository'
complete -c coracle -n "__fish_coracle_using_subcommand search" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "diff" -d 'Inspect changes to the image\'s file systems'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "mount" -d 'Mount an image\'s root filesystem read-only, inside unshare'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "unmount" -d 'Unmount an image\'s root filesystem'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "umount" -d 'Unmount an image\'s root filesystem'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "history" -d 'Show history of a specified image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "exists" -d 'Check if an image exists in local storage'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "inspect" -d 'Display the configuration of an image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "prune" -d 'Remove unused images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "ls" -d 'List images in local storage'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "list" -d 'List images in local storage'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "import" -d 'Import a tarball to create a filesystem image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "load" -d 'Load images from a tar archive'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "pull" -d 'Pull an image from a registry'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "rm" -d 'Remove one or more images from local storage'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "remove" -d 'Remove one or more images from local storage'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "save" -d 'Save image(s) to an archive'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "tag" -d 'Add an additional name to a local image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "untag" -d 'Remove a name from a local image'
complete -c coracle -n "__fish_coracle_using_subcommand image; and not __fish_seen_subcommand_from diff mount unmount umount history exists inspect prune ls list import load pull rm remove save tag untag search" -f -a "search" -d 'Search a registry for images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from diff" -l format -d 'Change the output format (json)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -l format -d 'Print the mounts as a table, or as JSON (json)' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -s a -l all -d 'Mount all'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from mount" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -s a -l all -d 'Unmount all'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from unmount" -s f -l force -d 'Accepted: a mount is taken away whoever uses it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -s a -l all -d 'Unmount all'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from umount" -s f -l force -d 'Accepted: a mount is taken away whoever uses it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d 'Change the output to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'Display sizes and dates in human readable format' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Display the numeric IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format the output to a Go template or json' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l filter -d 'Provide filter values (e.g. \'label=<key>=<value>\')' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all images not in use by containers, not just dangling ones'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l build-cache -d 'Accepted: there is no build cache'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -l external -d 'Accepted: coracle keeps no containers of other programs'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not prompt for confirmation'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l sort -d 'Sort by created, id, repository, size, or tag' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all images, also those that only lead to others'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l history -d 'Display the image name history'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Do not print column headings'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Display only image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l sort -d 'Sort by created, id, repository, size, or tag' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s a -l all -d 'Show all images, also those that only lead to others'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l digests -d 'Show digests'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l history -d 'Display the image name history'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not truncate output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Do not print column headings'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Display only image IDs'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l arch -d 'Set the architecture of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s c -l change -d 'Apply an instruction to the created image, one of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s m -l message -d 'Set the commit message of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l os -d 'Set the OS of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -l variant -d 'Set the variant of the imported image' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Suppress output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'Read from an archive file instead of standard input' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'Suppress the progress output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l policy -d 'Pull image policy ("always"|"missing"|"never"|"newer")' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l arch -d 'Use ARCH instead of the architecture of the machine for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l os -d 'Use OS instead of the running OS for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'Platform of the image; conflicts with --arch and --os' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l variant -d 'Use VARIANT instead of the running architecture variant for choosing images' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry -d 'Number of times to try again when a registry fails' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry-delay -d 'Time between two attempts, such as 5s' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -l disable-content-trust -d 'Accepted: signatures of Docker\'s notary are not checked' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -s a -l all-tags -d 'Pull all tags of the repository'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Suppress the progress output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Force removal of the image, and of the containers that use it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'Ignore errors if a specified image does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from rm" -l no-prune -d 'Accepted: images that only lead to others are not kept'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s f -l force -d 'Force removal of the image, and of the containers that use it'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'Ignore errors if a specified image does not exist'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from remove" -l no-prune -d 'Accepted: images that only lead to others are not kept'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'Save image to docker-archive, oci-archive, docker-dir (directory with v2s2 manifest type), oci-dir (directory with oci manifest type)' -r -f -a "oci-archive\t''
oci-dir\t''
docker-archive\t''
docker-dir\t''"
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'Write to a specified file (default: stdout, which must be redirected)' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l signature-policy -d 'Accepted: saving asks no policy' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l compress -d 'Compress image layers when saving to a directory with docker-dir'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s m -l multi-image-archive -d 'Interpret additional arguments as images not tags and create a multi-image-archive'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'Suppress the output'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from save" -l uncompressed -d 'Leave layers uncompressed in OCI images'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l authfile -d 'Path of the authentication file' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l cert-dir -d 'Path of a directory with certificates for the registry' -r -F
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l creds -d 'Credentials for the registry (USER[:PASSWORD])' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l tls-verify -d 'Require HTTPS and check certificates' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -s f -l filter -d 'Filter output based on conditions given: stars=N, is-official, is-automated' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l limit -d 'Limit the number of results' -r
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l compatible -d 'List stars and official columns, as Docker does'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l list-tags -d 'List the tags of a repository'
complete -c coracle -n "__fish_coracle_using_subcommand image; and __fish_seen_subcommand_from search" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand doctor" -s f -l format -d 'Change the output format to JSON' -r
complete -c coracle -n "__fish_coracle_using_subcommand info" -s f -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand info" -s D -l debug -d 'Accepted: there is nothing more to tell'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check connection df doctor info prune reset" -f -a "check" -d 'Check storage consistency'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check connection df doctor info prune reset" -f -a "connection" -d 'Manage destinations of remote services'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check connection df doctor info prune reset" -f -a "df" -d 'Show disk usage'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check connection df doctor info prune reset" -f -a "doctor" -d 'Look at what this host offers to containers and how to mend the rest'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check connection df doctor info prune reset" -f -a "info" -d 'Display coracle system information'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check connection df doctor info prune reset" -f -a "prune" -d 'Remove unused data'
complete -c coracle -n "__fish_coracle_using_subcommand system; and not __fish_seen_subcommand_from check connection df doctor info prune reset" -f -a "reset" -d 'Remove all containers, images and what belongs to them'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s m -l max -d 'Accepted: what nobody is working on is left over, however young it is' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s f -l force -d 'Remove what cannot be repaired, with its data'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s q -l quick -d 'Skip what takes long: the digests of documents'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from check" -s r -l repair -d 'Repair what is wrong as far as nothing is lost'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from connection" -f -a "list" -d 'List destinations of remote services'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from connection" -f -a "ls" -d 'List destinations of remote services'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -l format -d 'Pretty-print with a Go template, or as JSON' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from df" -s v -l verbose -d 'Show detailed information on disk usage'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from doctor" -s f -l format -d 'Change the output format to JSON' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from info" -s D -l debug -d 'Accepted: there is nothing more to tell'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l filter -d 'Provide filter values (e.g. \'label=<key>=<value>\')' -r
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all unused images, not just dangling ones'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l build -d 'Remove build containers'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l external -d 'Remove container data in storage that no container has a record of'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not prompt for confirmation'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from prune" -l volumes -d 'Prune volumes'
complete -c coracle -n "__fish_coracle_using_subcommand system; and __fish_seen_subcommand_from reset" -s f -l force -d 'Do not prompt for confirmation'
complete -c coracle -n "__fish_coracle_using_subcommand version" -s f -l format -d 'Change the output format to JSON or a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "exists" -d 'Check if a volume exists'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "inspect" -d 'Display detailed information on one or more volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "ls" -d 'List volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "list" -d 'List volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "prune" -d 'Remove all unused volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "rm" -d 'Remove one or more volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and not __fish_seen_subcommand_from exists inspect ls list prune rm remove" -f -a "remove" -d 'Remove one or more volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Format volume output using a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s a -l all -d 'Inspect all volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d 'Format output as JSON or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print names or IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'Filter output based on conditions given' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d 'Format output as JSON or by a Go template' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s n -l noheading -d 'Do not print headers'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -l no-trunc -d 'Do not truncate the output'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print names or IDs only'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'Provide filter values (e.g. \'label=<key>=<value>\')' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all unused volumes, not just anonymous ones'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not prompt for confirmation'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait for running containers to stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove a volume by force, even if it is being used by a container'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s t -l time -d 'Seconds to wait for running containers to stop before killing the container' -r
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all volumes'
complete -c coracle -n "__fish_coracle_using_subcommand volume; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove a volume by force, even if it is being used by a container'
