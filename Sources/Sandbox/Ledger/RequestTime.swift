// SPDX-License-Identifier: Apache-2.0

import Model
import NIOCore

/// When a request came, on both clocks.
struct RequestTime: Sendable, Equatable {
    /// For people, and for times that are written into tokens.
    var wall: Timestamp
    /// Microseconds of a clock that never jumps: for windows, limits and the expiry of tokens.
    var monotonic: Int64

    static func now() -> RequestTime {
        RequestTime(wall: .now(), monotonic: Int64(NIODeadline.now().uptimeNanoseconds / 1_000))
    }

    func advanced(bySeconds seconds: Double) -> RequestTime {
        let microseconds = Int64(seconds * 1_000_000)
        return RequestTime(
            wall: Timestamp(microseconds: wall.microseconds + microseconds),
            monotonic: monotonic + microseconds)
    }
}
