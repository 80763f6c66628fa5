// SPDX-License-Identifier: Apache-2.0

/// What the sandbox has lists of.
enum SandboxStream: String, Sendable, CaseIterable {
    case customers
    case products
    case prices
    case invoices
    case subscriptions
    case paymentIntents = "payment_intents"
    case charges
    case calendars
    case events
    case channels
    case users
    case slackMessages = "slack.messages"
    /// The messages of threads: the same collections as `slackMessages`, looked at in another way.
    case slackReplies = "slack.replies"
    case labels
    case gmailMessages = "gmail.messages"

    /// The stream of a service by the name that connectors use.
    init?(_ name: String, of service: SandboxService) {
        guard let stream = Self.allCases.first(where: { $0.service == service && $0.name == name }) else {
            return nil
        }
        self = stream
    }

    /// The name that connectors use; two services may use one name.
    var name: String {
        switch self {
        case .slackMessages, .gmailMessages: "messages"
        case .slackReplies: "replies"
        default: rawValue
        }
    }

    var service: SandboxService {
        switch self {
        case .customers, .products, .prices, .invoices, .subscriptions, .paymentIntents, .charges: .stripe
        case .calendars, .events: .googleCalendar
        case .channels, .users, .slackMessages, .slackReplies: .slack
        case .labels, .gmailMessages: .gmail
        }
    }

    /// The singular, as error messages say it.
    var noun: String { String(rawValue.dropLast()) }

    /// The stream to whose objects the collections of this one belong.
    var parent: SandboxStream? {
        switch self {
        case .events: .calendars
        case .slackMessages, .slackReplies: .channels
        default: nil
        }
    }

    /// The stream that holds the objects.
    var storage: SandboxStream { self == .slackReplies ? .slackMessages : self }

    /// False where the provider has no deletion: a charge stays, a system label too. To delete one is to change
    /// it.
    var hasDeletions: Bool {
        switch self {
        case .paymentIntents, .charges, .labels: false
        default: true
        }
    }

    /// What an edit without a stream changes. Calendars and channels stay: with one of them all that is in it
    /// would go.
    static let edited: [SandboxStream] = [
        .customers, .products, .prices, .invoices, .subscriptions, .paymentIntents, .charges, .events, .users,
        .slackMessages, .gmailMessages,
    ]

    /// A number that never changes, for hashes.
    var number: UInt64 {
        switch self {
        case .customers: 1
        case .products: 2
        case .invoices: 3
        case .calendars: 4
        case .events: 5
        case .prices: 6
        case .subscriptions: 7
        case .paymentIntents: 8
        case .charges: 9
        case .channels: 10
        case .users: 11
        case .slackMessages, .slackReplies: 12
        case .labels: 13
        case .gmailMessages: 14
        }
    }
}

/// The provider's API, as the first part of the path.
enum SandboxService: String, Sendable, CaseIterable {
    case stripe
    case googleCalendar = "google-calendar"
    case slack
    case gmail
    /// An authorization server of no provider, whose tokens work at all services.
    case oauth

    /// What stands before the user's name in a key that needs no OAuth; nil when there is none.
    var keyPrefix: String? {
        switch self {
        case .stripe: "sk_test_"
        case .googleCalendar, .gmail: "ya29."
        case .slack: "xoxb-"
        case .oauth: nil
        }
    }
}

/// One list of one user. Events belong to a calendar, messages to a channel, the others to nothing.
struct CollectionKey: Hashable, Sendable {
    let user: Int
    let stream: SandboxStream
    /// The number of the calendar or channel, else 0.
    let parent: Int

    init(user: Int, stream: SandboxStream, parent: Int = 0) {
        self.user = user
        self.stream = stream.storage
        self.parent = parent
    }

    /// A number that tells collections apart, the same in every process.
    func hash(seed: UInt64) -> UInt64 {
        var hash = SplitMix64.mix(seed)
        for part in [UInt64(user), stream.number, UInt64(parent)] { hash = SplitMix64.mix(hash ^ part) }
        return hash
    }
}
