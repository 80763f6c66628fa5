// SPDX-License-Identifier: Apache-2.0

/// What the sandbox has lists of.
enum SandboxStream: String, Sendable, CaseIterable {
    case customers
    case products
    case invoices
    case calendars
    case events

    var service: SandboxService {
        switch self {
        case .customers, .products, .invoices: .stripe
        case .calendars, .events: .googleCalendar
        }
    }

    /// The singular, as error messages say it.
    var noun: String { String(rawValue.dropLast()) }

    /// What an edit without a stream changes. Calendars stay: with a calendar all its events would go.
    static let edited: [SandboxStream] = [.customers, .products, .invoices, .events]
}

/// The provider's API, as the first part of the path.
enum SandboxService: String, Sendable, CaseIterable {
    case stripe
    case googleCalendar = "google-calendar"

    /// What stands before the user's name in a key.
    var keyPrefix: String {
        switch self {
        case .stripe: "sk_test_"
        case .googleCalendar: "ya29."
        }
    }
}

/// One list of one user. Events belong to a calendar, the others to nothing.
struct CollectionKey: Hashable, Sendable {
    let user: Int
    let stream: SandboxStream
    /// The calendar's number for events, else 0.
    let parent: Int

    init(user: Int, stream: SandboxStream, parent: Int = 0) {
        self.user = user
        self.stream = stream
        self.parent = parent
    }

    /// A number that tells collections apart, the same in every process.
    func hash(seed: UInt64) -> UInt64 {
        let stream: UInt64 =
            switch stream {
            case .customers: 1
            case .products: 2
            case .invoices: 3
            case .calendars: 4
            case .events: 5
            }
        var hash = SplitMix64.mix(seed)
        for part in [UInt64(user), stream, UInt64(parent)] { hash = SplitMix64.mix(hash ^ part) }
        return hash
    }
}
