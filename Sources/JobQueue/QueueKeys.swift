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
        func each(_ name: String) -> [String] { Queue.allCases.map { "\(name):\($0.rawValue)" } }
        let names =
            each("queue") + each("inbox") + [
                "jobs", "leases", "running", "delayed", "paused", "dead", "parked:order", "parked:jobs",
                "parked:kinds", "parked:counts", "counters", "workers", "deaths",
            ] + each("lanes") + each("turns") + [
                "waiting", "clock", "policy", "slots", "owners", "cancelled",
            ]
        declared = names.map { RedisArgument("\(prefix):\($0)") }
    }

    func ready(_ queue: Queue) -> String { "\(prefix):queue:\(queue.rawValue)" }
    func inbox(_ queue: Queue) -> String { "\(prefix):inbox:\(queue.rawValue)" }
    func lanes(_ queue: Queue) -> String { "\(prefix):lanes:\(queue.rawValue)" }
    func turns(_ queue: Queue) -> String { "\(prefix):turns:\(queue.rawValue)" }
    var jobs: String { "\(prefix):jobs" }
    var delayed: String { "\(prefix):delayed" }
    var paused: String { "\(prefix):paused" }
    var dead: String { "\(prefix):dead" }
    var parkedJobs: String { "\(prefix):parked:jobs" }
    var counters: String { "\(prefix):counters" }
    var workers: String { "\(prefix):workers" }
    var serves: String { "\(prefix):serves" }
    var leases: String { "\(prefix):leases" }
    var running: String { "\(prefix):running" }
    var parkedOrder: String { "\(prefix):parked:order" }
    var policy: String { "\(prefix):policy" }
    var slots: String { "\(prefix):slots" }
    var owners: String { "\(prefix):owners" }
    var cancelled: String { "\(prefix):cancelled" }
}
