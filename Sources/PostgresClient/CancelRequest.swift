// SPDX-License-Identifier: Apache-2.0

import CLibPQ
import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Asks the server to stop the statement of a connection.
enum CancelRequest {
    /// Requests under way at a time. On a network that swallows them their threads may wait for minutes; further requests
    /// would only add to them.
    private static let limit = 4
    private static let underWay = LockedBox(0)

    /// Sends the request from a short-lived thread and frees `canceller`. `PQcancel` blocks while it connects, and
    /// nobody waits for it: the statement's own connection is closed either way.
    static func send(_ canceller: OpaquePointer) {
        let isAllowed = underWay.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
        guard isAllowed else {
            PQfreeCancel(canceller)
            return
        }
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                let canceller = OpaquePointer(context)
                var reason = [CChar](repeating: 0, count: 256)
                PQcancel(canceller, &reason, Int32(reason.count))
                PQfreeCancel(canceller)
                CancelRequest.underWay.withLock { $0 -= 1 }
                return nil
            }, UnsafeMutableRawPointer(canceller))
        guard status == 0 else {
            PQfreeCancel(canceller)
            underWay.withLock { $0 -= 1 }
            return
        }
        pthread_detach(thread)
    }
}
