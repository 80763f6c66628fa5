// SPDX-License-Identifier: Apache-2.0

/// A change as Slack's Events API tells it (https://docs.slack.dev/apis/events-api).
struct SlackEvent {
    let store: ObjectStore
    let bytes: ObjectBytes

    func json(_ id: String, _ key: CollectionKey, _ change: ObjectChange) -> String {
        """
        {"token":"sandbox","team_id":"\(bytes.team(key.user))","api_app_id":"A0LOCKSTEP",\
        "event":\(event(key, change)),"type":"event_callback","event_id":"\(id)",\
        "event_time":\(store.configuration.clock.time(ofChange: change.sequence))}
        """
    }

    private func event(_ key: CollectionKey, _ change: ObjectChange) -> String {
        let collection = store[key]
        let index = Int(change.index)
        let object = bytes.json(collection, index)
        let time = "\(store.configuration.clock.time(ofChange: change.sequence)).000000"
        switch (key.stream, change.kind) {
        case (.users, _):
            let type = change.kind == .created ? "team_join" : "user_change"
            return #"{"type":"\#(type)","user":\#(object),"event_ts":"\#(time)"}"#
        case (.channels, .created):
            return #"{"type":"channel_created","channel":\#(object),"event_ts":"\#(time)"}"#
        case (.channels, .updated):
            return #"{"type":"channel_rename","channel":\#(object),"event_ts":"\#(time)"}"#
        case (.channels, .deleted):
            return
                #"{"type":"channel_archive","channel":"\#(bytes.id(key, index))","user":"USLACKBOT","event_ts":"\#(time)"}"#
        default: return message(collection, index, change, object, time)
        }
    }

    private func message(
        _ collection: Collection, _ index: Int, _ change: ObjectChange, _ object: String, _ time: String
    ) -> String {
        let channels = CollectionKey(user: collection.key.user, stream: .channels)
        let place =
            #""channel":"\#(bytes.id(channels, collection.key.parent))","channel_type":"channel","event_ts":"\#(time)""#
        switch change.kind {
        case .created: return "\(object.dropLast()),\(place)}"
        case .updated:
            return
                #"{"type":"message","subtype":"message_changed","hidden":true,"message":\#(object),"ts":"\#(time)",\#(place)}"#
        case .deleted:
            let deleted = collection.messageTime(index)
            return
                #"{"type":"message","subtype":"message_deleted","hidden":true,"deleted_ts":"\#(deleted)","previous_message":\#(object),"ts":"\#(time)",\#(place)}"#
        }
    }
}
