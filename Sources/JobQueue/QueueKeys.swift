// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

/// The names of all keys of the queue, made in this one place.
struct QueueKeys: Sendable {
    let prefix: String
    /// All keys in the order in which the scripts declare them.
    let declared: [RedisArgument]

    init(prefix: String) {
        self.prefix = prefix
        let names =
            Queue.allCases.map { "queue:\($0.rawValue)" } + Queue.allCases.map { "inbox:\($0.rawValue)" } + [
                "jobs", "leases", "running", "delayed", "paused", "dead", "parked:order", "parked:jobs",
                "parked:kinds", "parked:counts", "counters", "workers", "deaths",
            ]
        declared = names.map { RedisArgument("\(prefix):\($0)") }
    }

    func ready(_ queue: Queue) -> String { "\(prefix):queue:\(queue.rawValue)" }
    func inbox(_ queue: Queue) -> String { "\(prefix):inbox:\(queue.rawValue)" }
    var jobs: String { "\(prefix):jobs" }
    var delayed: String { "\(prefix):delayed" }
    var paused: String { "\(prefix):paused" }
    var dead: String { "\(prefix):dead" }
    var parkedJobs: String { "\(prefix):parked:jobs" }
    var counters: String { "\(prefix):counters" }
    var workers: String { "\(prefix):workers" }
}
