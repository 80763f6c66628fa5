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

    func id(_ key: CollectionKey, _ index: Int) -> String {
        names.text(key, index, userName: configuration.name(ofUser: key.user))
    }

    func index(of id: String, in collection: Collection) -> Int? {
        names.index(of: id, in: collection, userName: configuration.name(ofUser: collection.key.user))
    }

    /// What Lockstep calls the object: its id, behind the calendar's for an event.
    func externalID(_ key: CollectionKey, _ index: Int) -> String {
        guard key.stream == .events else { return id(key, index) }
        return id(CollectionKey(user: key.user, stream: .calendars), key.parent) + "/" + id(key, index)
    }

    func json(_ collection: Collection, _ index: Int) -> String {
        let state = collection.state(index)
        let key = collection.key
        let name = configuration.name(ofUser: key.user)
        var object = Object(
            collection: collection, index: index, state: state, id: id(key, index),
            owner: ObjectName.primary(name),
            random: SplitMix64(state: key.hash(seed: configuration.seed) ^ SplitMix64.mix(UInt64(index))))
        switch key.stream {
        case .customers: return object.customer()
        case .products: return object.product()
        case .invoices: return object.invoice(customer: customer(of: key, index))
        case .calendars: return object.calendar()
        case .events: return object.event()
        }
    }

    /// The customer of an invoice, from those that were there at the start.
    private func customer(of invoice: CollectionKey, _ index: Int) -> String? {
        let customers = CollectionKey(user: invoice.user, stream: .customers)
        let count = configuration.initialCount(of: customers)
        return count == 0 ? nil : id(customers, index % count)
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
    var random: SplitMix64

    var revision: Int { state.revision }
    var created: Int64 { collection.created(index) }
    var updated: Int64 { collection.updated(index) }

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
