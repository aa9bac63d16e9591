# Prints, for scripts/kamailio-flags.sh, the flags with which Kamailio's own build would compile a module.
#
#   make -s -f scripts/kamailio-flags.mk TREE=<source tree> OUT=<file>
#
# The values are those of the tree: of its config.mak where `make cfg` has run in it, else of its Makefile.defs.

COREPATH := $(TREE)/src
# As in the tree's main makefile: a config.mak is complete and wins, without one everything is worked out afresh.
main_makefile := 1
-include $(COREPATH)/config.mak
include $(COREPATH)/Makefile.defs

$(file >$(OUT),$(C_DEFS) $(CC_PMUTEX_OPTS) $(C_INCLUDES))

.PHONY: flags
flags: ;
.DEFAULT_GOAL := flags
