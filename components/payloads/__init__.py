"""Programs and scripts that run elsewhere: on a node, in a Job, in a CronJob. Standard library and POSIX shell only."""
