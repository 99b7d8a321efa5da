// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/* Hosts, ports and the host part of URLs, as CONTRACT.md §1 writes them. */

/*
 * A host as §1 writes it: the first of a comma list, lower-cased, without a final dot, loopback as
 * "localhost". A port inside @text is split off; @port, unless it is 0, wins over it. @ret_host is
 * the host alone, @ret_address has `:port` behind it unless that is absent, 80 or 443; both are
 * empty when nothing is left of @text.
 */
void host_normalise(Str text, uint32_t port, Arena *arena, Str *ret_host, Str *ret_address);

/* A port from 1 to 65535, digits only; 0 when @text is none. */
uint32_t port_parse(Str text);

/* The host[:port] of a URL, user info left out; empty when there is none. */
Str url_authority(Str url);
