// SPDX-License-Identifier: Apache-2.0

/// The JSON of objects: the same bytes for the same version, in every process.
///
/// The values are chosen to be hard to copy: emoji, combining accents, escapes that a decoder would undo,
/// integers beyond
/// 2^53 and beyond 2^64, `1.10`, exponents, nulls, nesting.
struct ObjectBytes: Sendable {
    let names: ObjectName
    private let configuration: SandboxConfiguration

    init(_ configuration: SandboxConfiguration) {
        self.configuration = configuration
        names = ObjectName(seed: configuration.seed)
    }

    /// The id of an object in any stream but Slack's messages, whose ids need their collection.
    func id(_ key: CollectionKey, _ index: Int) -> String {
        names.text(key, index, userName: configuration.name(ofUser: key.user))
    }

    func id(_ collection: Collection, _ index: Int) -> String {
        collection.key.stream == .slackMessages
            ? collection.messageTime(index) : id(collection.key, index)
    }

    func index(of id: String, in collection: Collection) -> Int? {
        if collection.key.stream == .slackMessages { return collection.message(at: id) }
        return names.index(of: id, in: collection, userName: configuration.name(ofUser: collection.key.user))
    }

    /// What Lockstep calls the object: its id, behind that of its calendar or channel.
    func externalID(_ collection: Collection, _ index: Int) -> String {
        let key = collection.key
        guard let parent = key.stream.parent else { return id(collection, index) }
        return id(CollectionKey(user: key.user, stream: parent), key.parent) + "/" + id(collection, index)
    }

    /// As a stream that looks at the collection has it: an answer belongs to its thread.
    func externalID(_ collection: Collection, _ index: Int, in stream: SandboxStream) -> String {
        let usual = externalID(collection, index)
        guard stream == .slackReplies, let root = collection.root(of: index) else { return usual }
        return externalID(collection, root) + "/" + id(collection, index)
    }

    /// How an object is written, where a provider has more than one way.
    enum Shape: Sendable, Equatable {
        case usual
        /// As an older version of the API wrote it, which is how events show it.
        case snapshot
        /// As it is written for requests that name no version of the API.
        case unversioned
        case mail(GmailFormat)
    }

    func json(
        _ collection: Collection, _ index: Int, asOf sequence: Int? = nil, _ shape: Shape = .usual
    ) -> String {
        let key = collection.key
        let name = configuration.name(ofUser: key.user)
        var object = Object(
            collection: collection, index: index,
            state: sequence.map { collection.state(index, asOf: $0) } ?? collection.state(index),
            id: id(collection, index), owner: ObjectName.primary(name), bytes: self,
            random: SplitMix64(state: key.hash(seed: configuration.seed) ^ SplitMix64.mix(UInt64(index))))
        switch key.stream {
        case .customers: return object.customer(shape)
        case .products: return object.product(shape)
        case .prices: return object.price(product: other(.products, of: key, index))
        case .invoices: return object.invoice(customer: other(.customers, of: key, index), shape)
        case .subscriptions:
            return object.subscription(
                customer: other(.customers, of: key, index), price: other(.prices, of: key, index), shape)
        case .paymentIntents: return object.paymentIntent(customer: other(.customers, of: key, index))
        case .charges:
            return object.charge(
                customer: other(.customers, of: key, index), intent: other(.paymentIntents, of: key, index))
        case .calendars: return object.calendar()
        case .events: return object.event()
        case .channels: return object.channel(team: team(key.user))
        case .users: return object.member(team: team(key.user))
        case .slackMessages, .slackReplies:
            return object.message(team: team(key.user), author: other(.users, of: key, index) ?? "USLACKBOT")
        case .labels: return object.label()
        case .gmailMessages:
            if case .mail(let format) = shape { return object.mail(format) }
            return object.mail(.full)
        }
    }

    /// The Slack workspace of a user.
    func team(_ user: Int) -> String {
        "T" + id(CollectionKey(user: user, stream: .users, parent: 1), 0).dropFirst(2)
    }

    /// An object that another one names, from those that were there at the start.
    func other(_ stream: SandboxStream, of key: CollectionKey, _ index: Int) -> String? {
        let others = CollectionKey(user: key.user, stream: stream)
        let count = configuration.initialCount(of: others)
        return count == 0 ? nil : id(others, index % count)
    }
}

/// The parts of one object while its text is made.
struct Object {
    let collection: Collection
    let index: Int
    let state: ObjectState
    let id: String
    /// The user's address.
    let owner: String
    let bytes: ObjectBytes
    var random: SplitMix64

    var written: WrittenObject? { collection.written[index] }

    /// A member that a request wrote, as JSON text.
    func member(_ name: String) -> String? { written?.member(name, asOf: state.changedAt) }

    var revision: Int { state.revision }
    var created: Int64 { collection.created(index) }
    var updated: Int64 {
        state.changedAt == 0 ? created : collection.clock.time(ofChange: state.changedAt)
    }

    /// JSON strings, quotes included. Some are escaped where they need not be; a copy must keep that.
    static let people = [
        #""Zoë Müller""#, #""Jose\u0301 Garci\u0301a""#, "\"Jose\u{301} Garci\u{301}a\"", #""田中 さくら""#,
        #""Ada \"Countess\" Lovelace""#, #""👩🏽‍🚀 Ngũgĩ""#, #""O'Neill \/ Sons""#, #""\ud83d\ude00 Smiley""#,
        #""محمد علي""#, #""Tab\tand\nline""#,
    ]
    static let things = [
        #""Coffee ☕️ 250 g""#, #""T-shirt, 100% cotton""#, #""Café \u00e0 la carte""#, #""5\" disk""#,
        #""Größe XL""#,
        #""Back\\slash""#, #""日本茶""#, #""🎁 Gift card""#,
    ]
    static let meetings = [
        #""Stand-up""#, #""Café with Zoë ☕️""#, #""Q3 \u2013 planning""#, #""1:1 👋🏽""#, #""Déjeuner""#,
        #""Review of \"Plan B\"""#, #""週次ミーティング""#, #""C:\\temp clean-up""#,
    ]

    mutating func pick(_ texts: [String]) -> String { texts[random.below(texts.count)] }

    /// True once in `count` objects; the next call asks anew.
    mutating func oneIn(_ count: Int) -> Bool { random.below(count) == 0 }
}
