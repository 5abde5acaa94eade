// Reads messages into the types of quicktype: Quicktype FILE, one message a line, in base64.
import io.quicktype.Converter;
import io.quicktype.Message;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;

class Quicktype {
    public static void main(String[] args) throws Exception {
        var messages = new ArrayList<Message>();
        for (var line : Files.readAllLines(Path.of(args[0]))) {
            messages.add(Converter.fromJsonString(new String(Base64.getDecoder().decode(line), "UTF-8")));
        }
        System.out.println(messages.size());
        for (var message : messages.subList(messages.size() - 2, messages.size())) {
            System.out.println(Converter.toJsonString(message));
        }
    }
}
