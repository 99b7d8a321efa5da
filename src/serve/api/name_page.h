// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/*
 * A page of a list that is sorted by name. Its cursor holds the last name (its beginning, when it
 * is long) and how many items with that name were shown: names that appear meanwhile shift nothing.
 */
typedef struct NamePage {
    size_t limit, n_taken;
    bool has_after, has_last, more;
    Str after, last;
    uint32_t after_same, last_same;
} NamePage;

/* Reads limit and cursor; @otherwise items when there is no limit. Returns 0 or API_FAILED. */
MUST_USE int name_page_open(ApiCall *call, size_t otherwise, NamePage *page);

/* Whether the item of this name, the next in order, belongs on the page. */
bool name_page_takes(NamePage *page, Str name);

/* Closes the list that api_list_open() opened, with the cursor of the next page. */
void name_page_close(ApiCall *call, const NamePage *page);
