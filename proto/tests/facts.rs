//! Holds the compiled contracts against the lists of their wire facts.
//!
//! A fact is one line: a message, a field with number, label and type, an enum value, or an RPC.
//! Comments, options and the order of the file do not count.

use std::collections::BTreeSet;

use podling_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, ServiceDescriptorProto,
};

#[test]
fn cri_is_the_listed_facts_and_nothing_else() {
    assert_listed(include_str!("facts.txt"), "runtime.");
}

#[test]
fn nri_is_the_listed_facts_and_nothing_else() {
    assert_listed(include_str!("nri_facts.txt"), "nri.");
}

fn assert_listed(listed: &str, packages: &str) {
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let compiled = compiled_facts(packages);

    let missing: Vec<_> = listed.difference(&compiled).collect();
    let surplus: Vec<_> = compiled.difference(&listed).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing: {missing:#?}\nsurplus: {surplus:#?}"
    );
}

#[test]
fn both_services_have_every_rpc_of_the_contract() {
    let facts = compiled_facts("runtime.");
    let count = |prefix: &str| facts.iter().filter(|fact| fact.starts_with(prefix)).count();
    assert_eq!(count("rpc runtime.v1.RuntimeService."), 37);
    assert_eq!(count("rpc runtime.v1.ImageService."), 6);
}

fn compiled_facts(packages: &str) -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors decode");
    set.file
        .iter()
        .filter(|file| file.package().starts_with(packages))
        .flat_map(file_facts)
        .collect()
}

fn file_facts(file: &FileDescriptorProto) -> Vec<String> {
    let package = file.package();
    let messages = file
        .message_type
        .iter()
        .flat_map(|m| message_facts(package, m));
    let enums = file.enum_type.iter().flat_map(|e| enum_facts(package, e));
    let rpcs = file.service.iter().flat_map(|s| rpc_facts(package, s));
    messages.chain(enums).chain(rpcs).collect()
}

fn message_facts(prefix: &str, message: &DescriptorProto) -> Vec<String> {
    let name = format!("{prefix}.{}", message.name());
    // A map is a repeated entry message on the wire: its fields are facts, its name is not.
    let is_map_entry = message.options.as_ref().is_some_and(|o| o.map_entry());

    let mut facts = Vec::new();
    if !is_map_entry {
        facts.push(format!("message {name}"));
    }
    facts.extend(message.field.iter().map(|f| field_fact(&name, message, f)));
    facts.extend(message.enum_type.iter().flat_map(|e| enum_facts(&name, e)));
    facts.extend(
        message
            .nested_type
            .iter()
            .flat_map(|m| message_facts(&name, m)),
    );
    facts
}

fn field_fact(
    message_name: &str,
    message: &DescriptorProto,
    field: &FieldDescriptorProto,
) -> String {
    let label = match field.label() {
        Label::Repeated => "repeated ",
        Label::Optional if field.proto3_optional() => "optional ",
        Label::Optional | Label::Required => "",
    };
    let mut fact = format!(
        "field {message_name}.{} = {} {label}{}",
        field.name(),
        field.number(),
        kind(field.r#type())
    );
    if !field.type_name().is_empty() {
        fact.push(' ');
        fact.push_str(field.type_name().trim_start_matches('.'));
    }
    if let Some(index) = field.oneof_index.filter(|_| !field.proto3_optional()) {
        let index = usize::try_from(index).expect("an index is not negative");
        fact.push_str(&format!(" oneof={}", message.oneof_decl[index].name()));
    }
    fact
}

/// `TYPE_SINT32` is `sint32` in the file.
fn kind(field_type: Type) -> String {
    field_type
        .as_str_name()
        .trim_start_matches("TYPE_")
        .to_lowercase()
}

fn enum_facts(prefix: &str, declared: &EnumDescriptorProto) -> Vec<String> {
    let name = format!("{prefix}.{}", declared.name());
    declared
        .value
        .iter()
        .map(|value| format!("enum {name}.{} = {}", value.name(), value.number()))
        .collect()
}

fn rpc_facts(package: &str, service: &ServiceDescriptorProto) -> Vec<String> {
    let facts = service.method.iter().map(|method| {
        let stream = if method.server_streaming() {
            " stream"
        } else {
            ""
        };
        format!(
            "rpc {package}.{}.{} {} ->{stream} {}",
            service.name(),
            method.name(),
            method.input_type().trim_start_matches('.'),
            method.output_type().trim_start_matches('.')
        )
    });
    facts.collect()
}
