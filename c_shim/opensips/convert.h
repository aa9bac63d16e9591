/*
 * Values of this host as the core's contract has them. Called by the functions and callbacks of every module; nothing
 * is copied but addresses.
 */
#ifndef SIPCAPTURE_OPENSIPS_CONVERT_H
#define SIPCAPTURE_OPENSIPS_CONVERT_H

#include "dprint.h"
#include "ip_addr.h"
#include "parser/msg_parser.h"
#include "str.h"

#include "../core.h"
#include "../shared/ser.h"

/* The transport `proto` as the contract numbers it; 0 for one that it has no number for. */
uint8_t to_transport(int proto);

/* The host's number of a transport of the contract; that of none for any other. */
int from_transport(uint32_t transport);

/* The message at hand as the script sees it. */
sc_message to_message(struct sip_msg *msg);

#endif
