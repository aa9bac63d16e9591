#!/bin/sh
# Prints the variables, for Kamailio's makefiles, of those choices that depend on the machine where Kamailio was built and
# not on its source: they are read off the flags that the installed Kamailio prints.
#
#   scripts/kamailio-options.sh [KAMAILIO]
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
flags=$("${1:-kamailio}" -v | sed -n 's/^flags: *//p')

has() {
    case ", $flags," in *", $1"*) return 0 ;; esac
    return 1
}

# A build by cmake takes one kind of lock and has no fast lock beside it.
has FAST_LOCK || echo use_fast_lock=no
# Follows from the libssl that is installed for development, which this machine need not have.
if has TLS_PTHREAD_MUTEX_SHARED; then
    echo LIBSSL_SET_MUTEX_SHARED=1
else
    echo LIBSSL_SET_MUTEX_SHARED=0
fi
