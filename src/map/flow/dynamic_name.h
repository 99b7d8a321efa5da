// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/str.h"

/*
 * Whether a name looks as if it were made per call (CONTRACT.md §7, dynamic_name): it has a UUID,
 * five digits or eight hexadecimal digits in a row, a date, or an e-mail address.
 */
bool name_is_dynamic(Str name);
