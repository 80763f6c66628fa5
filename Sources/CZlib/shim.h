// SPDX-License-Identifier: Apache-2.0
#ifndef LOCKSTEP_CZLIB_SHIM_H
#define LOCKSTEP_CZLIB_SHIM_H

#include <zlib.h>

// inflateInit2 is a macro, which Swift does not import; 16 asks for the gzip format and nothing else.
static inline int lockstep_gunzip_init(z_stream *stream) { return inflateInit2(stream, 16 + MAX_WBITS); }

#endif
