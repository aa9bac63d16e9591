/*
 * The core's commands as this host's RPC has them, the same for every module: MODULE.status, MODULE.stats, and the switch. Called in mod_init.
 */
#ifndef SIPCAPTURE_KAMAILIO_COMMANDS_H
#define SIPCAPTURE_KAMAILIO_COMMANDS_H

/* What operators are told of the commands, and how the switch is called, by the core too. */
typedef struct command_texts {
    const char *switch_name;
    const char *status;
    const char *switches;
    const char *stats;
} command_texts;

/* Registers the commands; 0 when the host refuses one. */
int commands_register(const command_texts *texts);

#endif
