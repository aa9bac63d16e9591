/*
 * Hands a module's parameters on to the core. A module lists their names once, texts and numbers apart, and applies each macro below to the
 * lists, with a `static struct { ... } parameter`. Called by each module's own module.c, before sc_core_check.
 *
 *   #define TEXT_PARAMETERS(X) X(db_url) X(table_name)
 *   #define NUMBER_PARAMETERS(X) X(capture_on)
 *   static struct { TEXT_PARAMETERS(TEXT_FIELD) NUMBER_PARAMETERS(NUMBER_FIELD) } parameter = { NUMBER_PARAMETERS(NUMBER_UNSET) };
 *   static param_export_t parameters[] = { TEXT_PARAMETERS(TEXT_EXPORT) NUMBER_PARAMETERS(NUMBER_EXPORT) { 0, 0, 0 } };
 *   int all_good = 1 TEXT_PARAMETERS(HAND_ON_TEXT) NUMBER_PARAMETERS(HAND_ON_NUMBER);
 */
#ifndef SIPCAPTURE_KAMAILIO_PARAMETERS_H
#define SIPCAPTURE_KAMAILIO_PARAMETERS_H

#include <limits.h>

#include "core/str.h"

/* What a number is that the configuration does not set. */
#define UNSET INT_MIN

#define TEXT_FIELD(name) str name;
#define NUMBER_FIELD(name) int name;
#define NUMBER_UNSET(name) .name = UNSET,
#define TEXT_EXPORT(name) { #name, PARAM_STR, &parameter.name },
#define NUMBER_EXPORT(name) { #name, PARAM_INT, &parameter.name },
#define HAND_ON_TEXT(name) && hand_on_text(#name, &parameter.name)
#define HAND_ON_NUMBER(name) && hand_on_number(#name, parameter.name)

/* Each value of a parameter that may be set more than once, in their order. All zero: none. */
typedef struct text_list {
    struct kept_text *first;
    struct kept_text *last;
} text_list;

/* Puts a copy of `value` behind the others, while the host reads its configuration and before there is a core; 0, or -1 when there is no
 * memory, as the host wants its functions for parameters to answer. */
int keep_text(text_list *list, const char *value);

/* Hand what is set on to the core; 0 when it refuses a value, which it has logged then. */
int hand_on_text(const char *name, const str *value);
int hand_on_number(const char *name, int value);
int hand_on_list(const char *name, const text_list *list);

#endif
