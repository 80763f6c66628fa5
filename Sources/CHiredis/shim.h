// SPDX-License-Identifier: Apache-2.0
#ifndef LOCKSTEP_CHIREDIS_SHIM_H
#define LOCKSTEP_CHIREDIS_SHIM_H

// Only the reply reader and its default reply objects are used: they are the same in hiredis 0.14 and 1.x.
#include <hiredis/hiredis.h>

#endif
