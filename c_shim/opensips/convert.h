/*
 * Values of this host as the core's contract has them. Called by the functions and callbacks of every module; nothing
 * is copied but addresses.
 */
#ifndef SIPCAPTURE_OPENSIPS_CONVERT_H
#define SIPCAPTURE_OPENSIPS_CONVERT_H

#include "ip_addr.h"
#include "parser/msg_parser.h"
#include "str.h"

#include "../core.h"

/* An address and a port; those of an address of no known family have the length 0. */
sc_address to_address(const struct ip_addr *ip, unsigned short port);

/* The bytes of `text`; none when it is NULL or empty. */
sc_bytes to_bytes(const str *text);

/* The transport `proto` as the contract numbers it; 0 for one that it has no number for. */
uint8_t to_transport(int proto);

/* The message at hand as the script sees it. */
sc_message to_message(struct sip_msg *msg);

#endif
