// Reads messages into the types of Modelina: Modelina FILE, one message a line, in base64.
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import modelina.ROOT;

class Modelina {
    public static void main(String[] args) throws Exception {
        var mapper = JsonMapper.builder().findAndAddModules().build();
        var messages = new ArrayList<ROOT>();
        for (var line : Files.readAllLines(Path.of(args[0]))) {
            messages.add(mapper.readValue(Base64.getDecoder().decode(line), ROOT.class));
        }
        System.out.println(messages.size());
        for (var message : messages.subList(messages.size() - 2, messages.size())) {
            System.out.println(mapper.writeValueAsString(message));
        }
    }
}
