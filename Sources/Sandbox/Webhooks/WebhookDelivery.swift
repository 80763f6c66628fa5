// SPDX-License-Identifier: Apache-2.0

/// Where a service's events go.
struct WebhookTarget: Sendable, Equatable {
    let service: SandboxService
    let url: String
    /// Signs the deliveries of Stripe and Slack; of Gmail the e-mail address that its tokens are of.
    let secret: String
    /// Nil: the events of all users.
    var user: Int?
    /// Each delivery is sent twice.
    var isDoubled = false
    /// So many deliveries at a time are sent in reverse order.
    var reversed = 1
}

/// A subscription of Google Calendar: notifications without content, for one list.
struct CalendarChannel: Sendable, Equatable {
    let id: String
    let key: CollectionKey
    let address: String
    let token: String?
    let resource: String
    let uri: String
    /// Milliseconds since 1970.
    let expiration: Int64
    /// The number of the last notification; the first one says that the channel is there.
    var messages = 0
}

/// One notification on its way. Signature and headers are made anew for each attempt.
struct WebhookDelivery: Sendable {
    let id: String
    let service: SandboxService
    let user: Int
    let url: String
    let secret: String
    let body: String
    /// Headers that stay the same.
    var headers: [(name: String, value: String)] = []
    /// Attempts so far.
    var attempts = 0
    /// When it may go, in microseconds of the monotonic clock.
    var due: Int64
}

/// When a service tries again, in microseconds after an attempt that failed.
///
/// The waits are those of the provider, with minutes as seconds: nobody waits for three days in a test.
enum WebhookRetry {
    static func wait(_ service: SandboxService, attempts: Int, status: Int) -> Int64? {
        guard !(200..<300).contains(status) else { return nil }
        let seconds: [Double] =
            switch service {
            // At once, after one minute, after five.
            case .slack: [0, 1, 5]
            case .stripe: [0.5, 1, 2, 4, 8, 16]
            // Pub/Sub pushes until it is acknowledged.
            case .gmail: [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
            // Only for some failures of the server.
            case .googleCalendar: [500, 502, 503, 504, 0].contains(status) ? [0.5, 1, 2] : []
            case .oauth: []
            }
        return attempts <= seconds.count ? Int64(seconds[attempts - 1] * 1_000_000) : nil
    }
}
