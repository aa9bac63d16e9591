/*
 * Values of this host as the core's contract has them, and back: addresses, texts, messages, the parameters of script
 * functions. Called by the functions and callbacks of every module; nothing is copied but addresses.
 */
#ifndef SIPCAPTURE_KAMAILIO_CONVERT_H
#define SIPCAPTURE_KAMAILIO_CONVERT_H

#include "core/dprint.h"
#include "core/ip_addr.h"
#include "core/parser/msg_parser.h"
#include "core/str.h"

#include "../core.h"
#include "../shared/ser.h"

/* The empty text. */
extern const str nothing;

/* The address of the contract as this host has it, without its port. */
void from_address(const sc_address *address, struct ip_addr *ip);

/* The message at hand as the script sees it, without an unmasked Call-ID. */
sc_message to_message(struct sip_msg *msg);

/* The text of a parameter, prepared by fixup_var_pve_str_12, of the script function `function`; empty for the parameter
 * NULL. 0, and a line in the log, when it cannot be evaluated. */
int evaluate(str *text, struct sip_msg *msg, const char *function, char *parameter);

#endif
