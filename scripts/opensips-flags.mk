# Writes the flags that an OpenSIPS tree compiles its modules with to OUT: what its own makefiles define, from the
# tree's Makefile.conf. Run in that tree: make -f this OUT=FILE.
all: write

include Makefile.conf
include Makefile.defs

write:
	$(file >$(OUT),$(DEFS))
	@:

.PHONY: all write
