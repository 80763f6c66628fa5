// SPDX-License-Identifier: Apache-2.0

import CLibPQ

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Asks the server to stop the statement of a connection.
enum CancelRequest {
    /// Sends the request from a short-lived thread and frees `canceller`. `PQcancel` blocks while it connects, and
    /// nobody waits for it: the statement's own connection is closed either way.
    static func send(_ canceller: OpaquePointer) {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                let canceller = OpaquePointer(context)
                var reason = [CChar](repeating: 0, count: 256)
                PQcancel(canceller, &reason, Int32(reason.count))
                PQfreeCancel(canceller)
                return nil
            }, UnsafeMutableRawPointer(canceller))
        guard status == 0 else {
            PQfreeCancel(canceller)
            return
        }
        pthread_detach(thread)
    }
}
