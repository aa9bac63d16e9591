/*
 * The core's commands as this host's RPC has them. Called in mod_init.
 */
#ifndef SIPCAPTURE_KAMAILIO_COMMANDS_H
#define SIPCAPTURE_KAMAILIO_COMMANDS_H

/* Registers the commands of `module`, as sc_core_new knows it; 0 when the host refuses one. */
int commands_register(const char *module);

#endif
