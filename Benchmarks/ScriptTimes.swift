// SPDX-License-Identifier: Apache-2.0

import RedisClient

/// How long scripts kept Redis, as it counts itself.
enum ScriptTimes {
    /// Forgets the scripts that ran so far.
    static func reset(_ redis: RedisClient) async throws {
        _ = try await redis.command(["CONFIG", "RESETSTAT"])
    }

    /// Prints the percentiles of all scripts since the reset.
    static func report(_ redis: RedisClient) async throws {
        let info = try await redis.command(["INFO", "latencystats"]).text ?? ""
        let line = info.split(whereSeparator: \.isNewline).first {
            $0.hasPrefix("latency_percentiles_usec_evalsha:")
        }
        for pair in (line?.drop { $0 != ":" }.dropFirst() ?? "").split(separator: ",") {
            let parts = pair.split(separator: "=")
            guard parts.count == 2, let microseconds = Double(parts[1]) else { continue }
            Report.line("  a script, \(parts[0])", microseconds / 1e3, "ms")
        }
    }
}
